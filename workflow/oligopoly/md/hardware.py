"""What one MD may use: one core, threads, MPI ranks over nodes, GPUs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oligopoly.errors import UserError

KOKKOS = ("-sf", "kk", "-pk", "kokkos", "newton", "on", "neigh", "half")  # what pace/kk asks for


@dataclass(frozen=True)
class Hardware:
    """`ranks` processes that the command `launcher` starts, with `threads` each, and so many `gpus` of each node."""

    threads: int = 1
    ranks: int = 1
    launcher: str = ""
    gpus: int = 0

    @property
    def cores(self) -> int:
        """In all."""
        return self.threads * self.ranks

    def __str__(self) -> str:
        ranks = f"{self.ranks} ranks" if self.ranks > 1 else ""
        threads = f"{self.threads} threads" if self.threads > 1 else ""
        gpus = f"{self.gpus} GPUs a node" if self.gpus > 1 else "a GPU" if self.gpus else ""
        return ", ".join(filter(None, [gpus, ranks, f"{threads} each" if ranks and threads else threads])) or "one core"

    @classmethod
    def of_job(cls, threads: int, resources: Mapping[str, Any], rule: str = "this rule") -> "Hardware":
        """What a job of Snakemake was given, by its resources `mpi`, `tasks`, `gpu` and `nodes`.

        Raises UserError for ranks that nothing starts, and a launcher that has none to start.
        """
        launcher, ranks = resources.get("mpi") or "", resources.get("tasks") or 1
        gpus, nodes = resources.get("gpu") or 0, resources.get("nodes") or 1
        if ranks > 1 and not launcher:
            raise UserError(
                f"{rule}: has resources tasks: {ranks} without mpi: give the command that starts MPI ranks, mpi: srun "
                "(or mpiexec), beside it in set-resources of the profile"
            )
        if launcher and ranks == 1:
            raise UserError(
                f"{rule}: has resources mpi: {launcher} and one rank: give tasks: 2 or more beside it in set-resources "
                "of the profile (and nodes for several nodes)"
            )
        return cls(threads, ranks, launcher, -(-gpus // nodes))

    def of_one_process(self) -> int:
        """Threads of an engine that runs in this process alone. Raises UserError for MPI ranks."""
        if self.ranks > 1:
            raise UserError(
                f"the built-in engine runs on threads of one process, not on {self.ranks} MPI ranks: give "
                "set-threads in place of tasks and mpi in the profile, or explore.engine: pace (LAMMPS with ML-PACE)"
            )
        return self.threads

    def arguments(self) -> list[str]:
        """Of LAMMPS' command line: `pair_style pace/kk` and the like on GPUs, else OPENMP's on several threads."""
        if self.gpus:
            return ["-k", "on", "g", str(self.gpus), *KOKKOS]
        return ["-pk", "omp", str(self.threads), "-sf", "omp"] if self.threads > 1 else []


ONE_CORE = Hardware()
