"""The ways to make a potential from labelled frames."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from oligopoly.errors import UserError


def check(kind: str, *, environment: str | None = None, backend: str = "tensorpot", embedding: str = "linear", **_):
    """Raise UserError if the trainer `kind`, or an engine for its potentials, is not installed or broken.

    The arguments are those of `train`; the built-in trainer is always there.
    """
    if kind != "pacemaker":
        return
    from oligopoly.trainers.pacemaker import check_installation

    check_installation(environment, backend)
    if embedding != "linear" and not _lammps_has_pace():
        raise UserError(
            f"trainer.embedding: {embedding} needs a LAMMPS with the ML-PACE package, which this one lacks: install "
            "LAMMPS from conda-forge, or give trainer.embedding: linear"
        )


def _lammps_has_pace() -> bool:
    # in a process of its own: a broken MPI must not take Snakemake with it
    ask = "from oligopoly.md.engines import PairPACE; from oligopoly.md.lammps import start; "
    ask += "raise SystemExit(not PairPACE.available(start()))"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True).returncode == 0


def train(
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    prefix: str | Path,
    *,
    weights: dict,
    threads: int = 1,
    kind: str = "ace",
    **settings,
) -> dict:
    """Fit with the trainer `kind`: `{prefix}.yaml`, `.yace`, `.asi`, `.metrics.json`, `.predictions.npz`.

    `weights` are the arguments of `ace.fit.Weights`, `settings` those of `ace.fit.fit` or `pacemaker.fit`. Returns
    the metrics.
    """
    from oligopoly.ace.fit import Weights

    if kind == "pacemaker":
        from oligopoly.trainers.pacemaker import fit
    else:
        from oligopoly.ace.fit import fit
    return fit(train, test, prefix, weights=Weights(**weights), threads=threads, **settings)
