"""Two molecules pushed together: is there a hole?"""

import numpy as np

from oligopoly.plotting.style import FULL, HALF, LEARNED, MUTED, REFERENCE, panels
from oligopoly.properties.contacts import REACHABLE, scan_holes
from oligopoly.report.page import Section, missing, paragraph, section, show
from oligopoly.report.results import Results


def write(run: Results) -> Section:
    title = "Molecules pushed together"
    if not run.scans:
        return section("contacts", title, missing("No contact scan has been made yet."))
    words = []
    for system, scan in run.scans.items():
        holes = scan_holes(scan)
        if holes:
            worst = min(holes, key=lambda h: h["barrier_eV"])
            words.append(
                f"{system}: {len(holes)} of {len(scan['pairs'])} pairs show a hole; the lowest opens "
                f"behind {worst['barrier_eV']:.2f} eV at {worst['distance_A']:.2f} Å."
            )
        else:
            words.append(f"{system}: no hole behind less than 1 eV in {len(scan['pairs'])} pairs.")
    return section(
        "contacts",
        title,
        paragraph(*words),
        show(
            contacts({s: scan["pairs"] for s, scan in run.scans.items()}),
            "Energy of pairs of molecules that are moved rigidly towards each other, against the "
            "closest distance between their atoms. A potential that turns over at short distance "
            "lets atoms fuse in a long run, however good its errors look.",
            "energy of molecular pairs against their closest distance",
        ),
    )


def contacts(scans: dict[str, list[dict]]):
    """Energy of two molecules pushed together; {system: [{distances, reference_eV, ace_eV}]}.

    Energies relative to the pair's most distant geometry; up to the dotted line MD gets there.
    """
    figure, axes = panels(len(scans), 3.2, width=min(FULL, HALF * 1.25 * len(scans)))
    for ax, (system, pairs) in zip(axes, scans.items(), strict=True):
        for k, pair in enumerate(pairs):
            distance = np.asarray(pair["distances"], float)
            order = np.argsort(distance)
            for key, colour, style, width, name in (
                ("reference_eV", REFERENCE, "-", 0.8, "reference"),
                ("learned_eV", LEARNED, "--", 1.5, "learned potential"),
            ):
                energy = np.asarray(pair[key], float)
                energy = (energy - energy[np.argmax(distance)])[order]
                ax.plot(
                    distance[order], energy, style, color=colour, lw=width,
                    label=name if k == 0 else None,
                )  # fmt: skip
        ax.axhline(0, color=MUTED, lw=0.6)
        ax.axhline(REACHABLE, color=MUTED, lw=0.8, ls=":")
        ax.set_ylim(-0.5, 3)  # what MD can reach, and where a hole would show
        ax.set_title(system)
        ax.set_xlabel("closest distance between the molecules (Å)")
        ax.set_ylabel("energy of the pair (eV)")
        ax.legend()
    return figure
