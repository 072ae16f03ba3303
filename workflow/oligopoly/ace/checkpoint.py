"""What a fit leaves to the next generation, and to error bars: the R factor of its rows, and what they were made with.

The rows of the frames seen so far need not be built again as long as basis, E0 and weights stay. The radii of the
ZBL core may shrink meanwhile: they lie below all distances of those frames, whose rows do not depend on them.
"""

import dataclasses
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from oligopoly.ace.potential import BasisFunction, Bond, Potential
from oligopoly.ace.potential_text import understood
from oligopoly.ace.regression import Factor
from oligopoly.errors import UserError
from oligopoly.files import atomic

# Of the rows: another number when the code makes other rows of the same frames.
VERSION = 1


@dataclass
class Checkpoint:
    """`factor` of the first `frames` training frames, whose digest (`survey.Survey`) is `digest`.

    `recipe`: settings by name that the rows depend on. `basis`: the potential without coefficients. `E0` (eV) was taken
    off the energies. `ridge` (unknowns,) is the prior that the fit ended with, `factors` those of its error bars.
    `chosen_from`: number of training frames there were when the functions were chosen by data. `fit`: fingerprint of
    the potential that came of it.
    """

    factor: Factor
    frames: int
    digest: str
    recipe: dict
    basis: Potential
    E0: dict[str, float]
    ridge: np.ndarray
    factors: dict[str, float]
    chosen_from: int = 0
    fit: str | None = None

    def why_not(self, recipe: dict, digests: list[bytes]) -> str | None:
        """Why the rows cannot serve for frames with these digests, in words; None if they can."""
        recipe = json.loads(json.dumps(recipe))
        changed = [name for name in recipe if self.recipe.get(name) != recipe[name]]
        if changed or self.recipe.get("version") != VERSION:
            return "changed since: " + ", ".join(changed or ["oligopoly"])
        if len(digests) < self.frames or digests[self.frames - 1].hex() != self.digest:
            return f"the training frames do not begin with the {self.frames} of the fit before"
        return None

    def save(self, path: str | Path) -> None:
        """Write an npz that `load` reads."""
        facts = {
            "frames": self.frames,
            "digest": self.digest,
            "recipe": self.recipe | {"version": VERSION},
            "basis": _as_json(self.basis),
            "E0": self.E0,
            "factors": self.factors,
            "chosen_from": self.chosen_from,
            "fit": self.fit,
        }
        upper = np.triu_indices(self.factor.r.shape[0])
        with atomic(path) as temporary, open(temporary, "wb") as stream:
            np.savez(
                stream, r=self.factor.r[upper], rows=self.factor.rows, ridge=self.ridge,
                facts=np.array(json.dumps(facts)),
            )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Raises UserError for a file that is none."""
        try:
            with np.load(path) as content:
                packed, rows, ridge = content["r"], int(content["rows"]), content["ridge"]
                facts = json.loads(str(content["facts"]))
        except (OSError, EOFError, TypeError, ValueError, KeyError, AttributeError, BadZipFile, zlib.error) as error:
            raise UserError(f"{path} is not the factor of an earlier fit: {error}") from error
        if not (np.isfinite(packed).all() and np.isfinite(ridge).all()):
            raise UserError(f"{path}: has numbers that are not finite")
        size = int(np.sqrt(2 * len(packed)))
        r = np.zeros((size, size), order="F")
        r[np.triu_indices(size)] = packed
        with understood(path, "factor of an earlier fit"):
            return cls(
                Factor(r, rows), facts["frames"], facts["digest"], facts["recipe"], _from_json(facts["basis"]),
            facts["E0"], ridge, facts["factors"], facts.get("chosen_from", 0), facts.get("fit"),
        )  # fmt: skip


def _as_json(basis: Potential) -> dict:
    return {
        "elements": basis.elements,
        "delta_spline_bins": basis.delta_spline_bins,
        "functions": [[f.elements, f.n, f.l, f.lint] for e in basis.elements for f in basis.functions[e]],
        "bonds": [
            [pair, dataclasses.asdict(bond) | {"radcoefficients": np.asarray(bond.radcoefficients).tolist()}]
            for pair, bond in basis.bonds.items()
        ],
    }


def _from_json(content: dict) -> Potential:
    functions: dict[str, list[BasisFunction]] = {element: [] for element in content["elements"]}
    for parts in content["functions"]:
        elements, n, l, lint = map(tuple, parts)
        f = BasisFunction(elements, n, l, lint)
        functions[f.elements[0]].append(f)
    bonds = {}
    for pair, values in content["bonds"]:
        bond = Bond(**values)
        bond.radcoefficients = np.array(bond.radcoefficients)
        prefactor, decay = bond.core_repulsion
        bond.core_repulsion = (prefactor, decay)
        bonds[tuple(pair)] = bond
    return Potential(content["elements"], bonds, functions, delta_spline_bins=content["delta_spline_bins"])
