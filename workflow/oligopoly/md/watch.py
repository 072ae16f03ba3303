"""Is the motion still physics? The checks every MD of a learned potential runs under."""

from dataclasses import dataclass

import numpy as np

from oligopoly.md.engine import Score
from oligopoly.md.outcomes import Outcome
from oligopoly.md.simulation import Sample
from oligopoly.systems.topology import BROKEN, Topology

# A thermostatted liquid of 60 atoms fluctuates by 8 % of its temperature.
HOT = 3.0
# Volume in units of the first one; a boiling liquid goes on expanding.
VOLUME_RANGE = (0.3, 4.0)


@dataclass(frozen=True)
class Watch:
    """Limits of a sane moment.

    `bond_factor`: a bond longer than this times the sum of the covalent radii is broken.
    `contact_scale`: atoms of different molecules nearer than this times the limits in
    `systems.topology` are fused. `largest_score`: of the potential's uncertainty.
    """

    topology: Topology
    temperature: float
    volume: float
    periodic: bool = True
    bond_factor: float = BROKEN
    contact_scale: float = 1.0
    largest_score: float = np.inf

    def check(self, sample: Sample, score: Score | None = None) -> Outcome | None:
        """What is wrong with this moment, the most telling first; None when nothing is."""
        topology, positions = self.topology, sample.positions

        def stop(outcome, reason, atoms=(), value=None):
            return Outcome(
                outcome,
                sample.step,
                sample.time_fs,
                reason,
                [int(a) for a in atoms],
                None if value is None else float(value),
            )

        # molecules come whole, so bonds need no cell
        broken = topology.broken_bonds(positions, factor=self.bond_factor)
        if len(broken):
            lengths = np.linalg.norm(positions[broken[:, 0]] - positions[broken[:, 1]], axis=1)
            worst = int(lengths.argmax())
            i, j = broken[worst]
            return stop(
                "broken_bond",
                f"the bond {topology.name(i)}-{topology.name(j)} is {lengths[worst]:.2f} A long",
                (i, j),
                lengths[worst],
            )
        cell = sample.cell if self.periodic else None
        ratio = sample.volume / self.volume if self.periodic else 1.0
        if not VOLUME_RANGE[0] < ratio < VOLUME_RANGE[1]:
            return stop("exploded", f"the volume is {ratio:.2f} times the first one", (), ratio)
        close = self._closest(positions, cell)
        if close is not None:
            (i, j), distance = close
            return stop(
                "close_contact",
                f"{topology.name(i)} and {topology.name(j)} of different molecules are {distance:.2f} A apart",
                (i, j),
                distance,
            )
        if sample.temperature > HOT * self.temperature:
            return stop(
                "exploded",
                f"the temperature is {sample.temperature:.0f} K where {self.temperature:.0f} K were asked for",
                (),
                sample.temperature,
            )
        if score is not None and not score.frame <= self.largest_score:
            unit = f" {score.unit}" if score.unit else ""
            return stop(
                f"{score.kind}_break",
                f"the {score.name} of {topology.name(score.atom)} is {score.frame:.3g}, "
                f"above {self.largest_score:g}{unit}",
                (score.atom,),
                score.frame,
            )
        return None

    def _closest(self, positions, cell):
        close = self.topology.close_contacts(positions, cell, scale=self.contact_scale)
        if not len(close):
            return None
        vectors = positions[close[:, 1]] - positions[close[:, 0]]
        if cell is not None:
            vectors = vectors - np.rint(vectors @ np.linalg.inv(cell)) @ cell
        distances = np.linalg.norm(vectors, axis=1)
        nearest = int(distances.argmin())
        return close[nearest], distances[nearest]
