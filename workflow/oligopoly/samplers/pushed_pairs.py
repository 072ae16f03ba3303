"""Pairs of molecules pushed together with the potential at hand: contacts that MD does not meet."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from oligopoly.quantities import EnergyPerAtom
from oligopoly.samplers.contract import Context, SamplerSettings

if TYPE_CHECKING:
    from oligopoly.md.outcomes import Outcome
    from oligopoly.potentials.contract import Prediction


class Settings(SamplerSettings):
    """Pairs of neighbours cut out of the liquid and pushed together, rigidly; what the potential does not know of that
    becomes a candidate."""

    kind: Literal["contacts"]
    pairs: int = Field(4, ge=1, le=10_000, description="pairs of molecules per system and generation")
    max_energy: EnergyPerAtom = Field("3 eV", description="highest rise of the pair's energy, by the potential")

    def create(self) -> "PushedPairs":
        return PushedPairs(self)


class PushedPairs:
    """The sampler as `samplers.contract.Sampler` has it."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def sample(self, start: Atoms, context: Context, folder: str | Path) -> "Outcome":
        """Approaches as `samplers.contacts.contact_pool` makes them. There is no time in them: thermo.tsv is empty, and
        trajectory.extxyz holds the frames in their order."""
        from oligopoly import frames as frame_files
        from oligopoly.md.outcomes import Failed, Outcome
        from oligopoly.md.run import check_fits, from_failure
        from oligopoly.md.trajectory import writers
        from oligopoly.samplers.contacts import before_rise, contact_pool
        from oligopoly.samplers.exploration import ScoreLog, note_score, unforeseen, write_end
        from oligopoly.samplers.thinning import Moment

        check_fits(context.topology, start)
        folder, asked, origin = Path(folder), context.uncertainty, context.origin
        frames: list[Atoms] = []
        candidates: list[Atoms] = []
        rest: list[Atoms] = []
        scores = ScoreLog()
        scans = contact_pool([start], context.topology, self.settings.pairs, lambda _: 0.0, np.inf, context.seed)
        outcome = None
        # all in one go, since opening a potential takes longer than a pair; what it cannot be asked is said here
        found = context.potential.predict(
            [atoms for scan in scans for atoms in scan], asked.kind, context.hardware.threads
        )
        try:
            for scan in scans:
                told = zip(scan, found, strict=False)
                for atoms, said in before_rise(((pair, finite(pair[1])) for pair in told), self.settings.max_energy):
                    frame_files.set_origin(atoms, origin.system, origin.generation, origin.sampler, len(frames))
                    scores.add(Moment.at(len(frames), said.score))
                    frames.append(atoms)
                    note_score(atoms, said.score)
                    known = said.score is not None and said.score.frame < asked.select
                    (rest if known else candidates).append(atoms)
                for _ in told:  # so that the next scan meets its own
                    pass
        except Failed as failure:
            outcome = from_failure(failure, None)
        except Exception as error:
            outcome = unforeseen(error, None)
        outcome = outcome or Outcome("completed", len(frames), 0.0, f"{len(scans)} pairs pushed together")
        drawn = np.random.default_rng(context.seed).permutation(len(candidates))[: context.candidates]
        folder.mkdir(parents=True, exist_ok=True)
        with writers(folder, start.numbers, context.topology.masses, True):
            pass
        frame_files.write(folder / "trajectory.extxyz", frames)
        frame_files.write(folder / "candidates.extxyz", [candidates[k] for k in sorted(drawn)])
        frame_files.write(folder / "audit.extxyz", rest)
        write_end(folder, outcome, scores, asked, checks=len(frames), candidates=len(drawn), planned_fs=0.0)
        return outcome


def finite(said: "Prediction") -> float:
    """The energy of a pair. Raises Failed if it, or the score of an atom, is not a number."""
    from oligopoly.md.outcomes import Failed

    if not np.isfinite([said.energy, *(said.score.per_atom if said.score else ())]).all():
        raise Failed("non_finite", "the energy of a pair or the score of an atom is not a number")
    return said.energy
