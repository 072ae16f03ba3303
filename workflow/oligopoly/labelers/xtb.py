"""Labels from extended tight binding (tblite): finite structures and periodic ones, with charges."""

from importlib.metadata import version
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree, kB
from pydantic import Field
from threadpoolctl import ThreadpoolController

from oligopoly.labelers.contract import Guess, Label, LabelerSettings, LabelFailure, unpaired_electrons
from oligopoly.labelers.outcomes import Outcome

# Relative to tblite's default thresholds (energy to 1e-6 Hartree): energies that are smooth to 1e-5 eV.
ACCURACY = 0.1
ELECTRONIC_TEMPERATURE = 300.0  # K; the occupations are part of the method
# Iterations and share of the new density in the mixing: the second try is slower and steadier. A higher electronic
# temperature would converge too, to another energy.
TRIES = ((250, 0.4), (1000, 0.1))


class Settings(LabelerSettings):
    """Extended tight binding by tblite; finite and periodic, in seconds."""

    packages: ClassVar[tuple[str, ...]] = ("tblite",)
    kind: Literal["xtb"]
    method: Literal["GFN2-xTB", "GFN1-xTB"] = Field(
        "GFN2-xTB", description="GFN2-xTB or GFN1-xTB, which is faster in periodic cells"
    )

    def guess(self) -> Guess:
        return Guess(0.05, 2.2, 20.0)

    def create(self, *, threads: int = 1, data: str | None = None, system: str | None = None) -> "XTBLabeler":
        return XTBLabeler(**self.arguments(), threads=threads)


class XTBLabeler:
    """GFN2-xTB (Bannwarth et al., JCTC 15 (2019) 1652) or GFN1-xTB (Grimme et al., JCTC 13 (2017) 1989)."""

    def __init__(self, method: str, *, threads: int = 1):
        import tblite.interface  # noqa: F401 - loads the libraries whose threads are controlled

        self.method, self.threads = method, threads
        self._code = f"tblite {version('tblite')}"
        self._pools = ThreadpoolController()

    def settings(self) -> dict[str, Any]:
        """Everything a label depends on besides the geometry."""
        return {
            "kind": "xtb",
            "method": self.method,
            "accuracy": ACCURACY,
            "electronic_temperature": ELECTRONIC_TEMPERATURE,
        }

    def label(self, atoms: Atoms) -> Label:
        """Energy, forces, charges and, of periodic structures, stress. Raises LabelFailure with its outcome."""
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError

        uhf = unpaired_electrons(atoms)
        if atoms.pbc.any() and not atoms.pbc.all():
            raise LabelFailure(Outcome.INVALID, "periodic in some directions only")
        reasons = []
        for number, (iterations, mixing) in enumerate(TRIES):
            try:
                with self._pools.limit(limits=self.threads):
                    result = self._single_point(atoms, uhf, iterations, mixing)
            except TBLiteValueError as error:
                raise LabelFailure(Outcome.INVALID, f"tblite: {error}") from error
            except TBLiteRuntimeError as error:
                if "not converge" not in str(error).lower():
                    raise LabelFailure(Outcome.CRASHED, f"tblite: {error}") from error
                reasons.append(f"not within {iterations} iterations at mixing {mixing:g}")
                continue
            except MemoryError as error:
                raise LabelFailure(Outcome.OUT_OF_MEMORY, "tblite ran out of memory") from error
            notes = {"code": self._code, "unpaired_electrons": uhf}
            if number:
                notes["scf"] = f"second try, {iterations} iterations and mixing {mixing:g}"
            stress = result.get("virial") * Hartree / atoms.get_volume() if atoms.pbc.all() else None
            return Label(
                float(result.get("energy")) * Hartree,
                -result.get("gradient") * Hartree / Bohr,
                stress,
                np.asarray(result.get("charges")),
                notes,
            )
        raise LabelFailure(Outcome.UNCONVERGED, "tblite: " + ", ".join(reasons))

    def close(self) -> None:
        """Nothing stays open between labels."""

    def _single_point(self, atoms: Atoms, uhf: int, iterations: int, mixing: float):
        from tblite.interface import Calculator

        cell = (atoms.cell.array / Bohr, np.array(atoms.pbc)) if atoms.pbc.any() else (None, None)
        calculator = Calculator(self.method, atoms.numbers, atoms.positions / Bohr, 0.0, uhf, *cell)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", ACCURACY)
        calculator.set("temperature", ELECTRONIC_TEMPERATURE * kB / Hartree)
        calculator.set("max-iter", iterations)
        calculator.set("mixer-damping", mixing)
        return calculator.singlepoint()
