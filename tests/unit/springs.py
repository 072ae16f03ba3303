"""A labeler for tests of what surrounds labelers: harmonic springs, and every way to fail."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from oligopoly.errors import UserError
from oligopoly.labelers.contract import Label, LabelFailure
from oligopoly.labelers.outcomes import Outcome


class Springs:
    """Harmonic bonds between all pairs of atoms: real energies and forces, invariant as they should be.

    Each structure computed is a line in `log`. The info of a structure says how it fails: `ends`.
    """

    def __init__(self, k=1.0, log=None, missing=False, threads=1):
        if missing:
            raise UserError("the program springs is not installed")
        self.k, self.log = k, log

    def settings(self):
        return {"kind": "springs", "k": self.k}

    def label(self, atoms):
        if self.log:
            with open(self.log, "a") as log:
                log.write(f"{atoms.info.get('origin_step')}\n")
        time.sleep(atoms.info.get("sleeps", 0.0))
        match atoms.info.get("ends"):
            case "failure":
                raise LabelFailure(Outcome.UNCONVERGED, "no minimum")
            case "exception":
                raise ZeroDivisionError("the sky fell")
            case "abort":
                print("last words", flush=True)
                os.abort()
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "once":  # fails the first time only
                if Path(self.log).read_text().split().count(str(atoms.info["origin_step"])) == 1:
                    os.abort()
            case "nan":
                return Label(float("nan"), np.zeros((len(atoms), 3)))
        x = atoms.positions
        d = x[:, None] - x[None]
        return Label(
            0.25 * self.k * float((d**2).sum()), -self.k * d.sum(axis=1), charges=np.arange(len(atoms), dtype=float)
        )

    def close(self):
        pass
