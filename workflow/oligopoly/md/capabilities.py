"""What the LAMMPS of this Python can do: on GPUs, and with ML-PACE."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass

from oligopoly.md.lammps import gpu_interfaces, start

PACE = ("pace", "pace/extrapolation", "pace/kk", "pace/extrapolation/kk")


@dataclass(frozen=True)
class Capabilities:
    """`version` as LAMMPS tells it, the pair styles of `PACE` that it has, and KOKKOS' interfaces to GPUs (cuda)."""

    version: int
    styles: list[str]
    gpus: list[str]


def here() -> Capabilities:
    """Of this process' LAMMPS."""
    lmp = start()
    try:
        return Capabilities(lmp.version(), [style for style in PACE if lmp.has_style("pair", style)], gpu_interfaces())
    finally:
        lmp.close()


def installed() -> Capabilities | None:
    """The same, asked of a process of its own, since a broken MPI must not take Snakemake with it; None if it is."""
    ask = "import sys; from oligopoly.md.capabilities import told; sys.stdout.write(told())"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    return Capabilities(**json.loads(done.stdout)) if done.returncode == 0 else None


def told() -> str:
    """In JSON."""
    return json.dumps(asdict(here()))
