"""What a file holds and what of it is used: printed after reading, so that nothing is left out without a word."""

from collections import Counter
from dataclasses import dataclass, field

from ase import Atoms

from oligopoly.intake import keys
from oligopoly.intake.keys import Used


@dataclass
class Census:
    """Counts over the frames of one file."""

    name: str
    frames: int = 0
    elements: Counter[str] = field(default_factory=Counter)
    periodic: int = 0
    sizes: set[int] = field(default_factory=set)
    alone: int = 0  # frames of one atom
    kinds: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    of_periodic: Counter[str] = field(default_factory=Counter)  # keys that a stress may stand in

    def add(self, atoms: Atoms) -> None:
        """Count a frame as it was read, before its labels are moved."""
        self.frames += 1
        self.elements.update(atoms.get_chemical_symbols())
        self.periodic += bool(atoms.pbc.all())
        self.sizes.add(len(atoms))
        self.alone += len(atoms) == 1
        names = keys.names(atoms)
        self.keys.update(names)
        if atoms.pbc.all():
            self.of_periodic.update(names)
        if kind := atoms.info.get("config_type"):
            self.kinds[str(kind)] += 1

    def lines(self, used: Used | None) -> list[str]:
        """The census in words; `used` None where labels are not read."""
        smallest, largest = min(self.sizes), max(self.sizes)
        size = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
        what = ", ".join(f"{symbol} {count}" for symbol, count in sorted(self.elements.items()))
        periodic = "all periodic" if self.periodic == self.frames else f"{self.periodic or 'none'} periodic"
        found = [f"{self.name}: {_frames(self.frames)} of {size} atoms ({what}), {periodic}"]
        if used is not None:
            found.append("  " + "; ".join(self._label(what, used) for what in ("energy", "forces", "stress")))
        if self.kinds:
            found.append("  config_type: " + ", ".join(f"{kind} {n}" for kind, n in sorted(self.kinds.items())))
        rest = keys.unused(self.keys, used or Used(None, None, None, None))
        if rest:
            found.append("  not used: " + keys.listed(map(keys.remark, rest)))
        return found

    def missing(self, used: Used) -> list[str]:
        """A sentence for each label that part of the frames lack. Free atoms have no forces worth a word."""
        found = []
        unused = keys.unused(self.keys, used)
        rest = keys.listed(unused) if unused else "nothing"
        for what, name in (("energy", used.energy), ("forces", used.forces)):
            if name is None:
                found.append(f"no frame has {what} under a name that is known; there is {rest} (--{what}-key)")
                continue
            lacking = self.frames - self.keys[name]
            if 0 < lacking < self.frames and not (what == "forces" and lacking <= self.alone):
                found.append(f"{lacking} of {self.frames} frames have no {what} ({name})")
        return found

    def _label(self, what: str, used: Used) -> str:
        name = getattr(used, what)
        if what == "stress":
            return self._stress(name, used.virial)
        if name is None:
            return f"no {what}"
        return f"{what} from {name} in {self._of(self.keys[name])}"

    def _stress(self, name: str | None, virial: str | None) -> str:
        found = name or virial
        if found is None:
            return "no stress"
        if not self.of_periodic[found]:
            return f"no stress ({found} is of frames that are not periodic)"
        how = "" if name else " (minus virial / volume)"
        return f"stress from {found}{how} in {self._of(self.of_periodic[found])}"

    def _of(self, count: int) -> str:
        return "all" if count == self.frames else f"{count} of {self.frames} frames"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
