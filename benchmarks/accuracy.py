"""Errors of `oligopoly fit` over the number of functions, with functions chosen by data and in pacemaker's order.

    python benchmarks/accuracy.py OUT peg FILE [SIZE ...]
    python benchmarks/accuracy.py OUT ethanol FOLDER [SIZE ...]
    python benchmarks/accuracy.py OUT hexane FOLDER [SIZE ...]

FILE is `peg4_opls.extxyz`; the FOLDER of ethanol holds `train.xyz`, `test_MD.xyz` and `isolated_atoms.xyz`, that of
hexane (`results/demo/gen_NNN/dataset`) `train.extxyz` and `test.extxyz`. SIZE is a number of functions per element.
Prints the table that benchmarks/accuracy.md keeps and draws OUT/accuracy_{set}.png; fits found in OUT are not repeated.
"""

import json
import sys
from pathlib import Path

import ase.io
import matplotlib
import numpy as np

from oligopoly.ace.fit import fit

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

SIZES = {"peg": [100, 200, 500], "ethanol": [100, 300, 1000], "hexane": [100, 300]}
CUTOFF = {"peg": 5.0, "ethanol": 4.5, "hexane": 5.0}
# pacemaker's order needs limits by rank; these were the default before functions were chosen by data
ORDER = {150: ([12, 5, 3], [0, 5, 4]), 400: ([12, 5, 3, 2], [0, 6, 5, 3]), 700: ([16, 6, 4, 2], [0, 6, 5, 3]),
         10**9: ([20, 8, 5, 3], [0, 6, 5, 4])}  # fmt: skip
# force RMSE (PEG) and MAE (ethanol), meV/A: python-ace of September 2025, ChebExpCos, lambda 8, QR
BARE = {"peg": {500: 127.0, 1000: 83.0}, "ethanol": {1000: 29.0}}
COLUMNS = [
    ("force RMSE meV/A", "force_rmse_meV_A", "{:.1f}"),
    ("force MAE meV/A", "force_mae_meV_A", "{:.1f}"),
    ("%", "force_rmse_percent", "{:.1f}"),
    ("energy RMSE meV/atom", "energy_rmse_meV_atom", "{:.2f}"),
    ("energy MAE meV/atom", "energy_mae_meV_atom", "{:.2f}"),
    ("pressure RMSE bar", "pressure_rmse_bar", "{:.0f}"),
]


def peg(path: Path):
    """The protocol of the bar: 120 training frames and 40 test frames of a fixed permutation."""
    frames = ase.io.read(path, ":")
    order = np.random.default_rng(0).permutation(len(frames))
    return [frames[i] for i in order[:120]], [frames[i] for i in order[120:160]]


def ethanol(folder: Path):
    """1000 and 1000 frames; the energies of isolated atoms are the zero."""
    train = ase.io.read(folder / "train.xyz", ":") + ase.io.read(folder / "isolated_atoms.xyz", ":")
    return train, ase.io.read(folder / "test_MD.xyz", ":")


def hexane(folder: Path):
    """The dataset of the demo: liquid, clusters, contacts, and what exploration found."""
    return ase.io.read(folder / "train.extxyz", ":"), ase.io.read(folder / "test.extxyz", ":")


def results(out: Path, name: str, frames, sizes: list[int]) -> list[tuple[str, int, dict]]:
    """(kind, size, metrics), smallest size first."""
    found: list[tuple[str, int, dict]] = []
    train, test = frames
    for size in sizes:
        n_max, l_max = next(limits for most, limits in ORDER.items() if size <= most)
        kinds: dict[str, tuple[str, dict]] = {
            "order": ("pacemaker's order", {"n_max": n_max, "l_max": l_max}),
            "data": ("chosen by data", {}),
        }
        for short, (kind, limits) in kinds.items():
            metrics = out / f"{name}_{size}_{short}.metrics.json"
            if not metrics.exists():
                fit(train, test, out / f"{name}_{size}_{short}", functions=size, cutoff=CUTOFF[name], **limits)
            found.append((kind, size, json.loads(metrics.read_text())))
    return found


def table(found: list[tuple[str, int, dict]]) -> str:
    lines = ["| functions per element | " + " | ".join(title for title, *_ in COLUMNS) + " | fit s |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for kind, size, metrics in found:
        errors = metrics["test"]["all"]
        cells = ["" if errors[key] is None else form.format(errors[key]) for _, key, form in COLUMNS]
        lines.append(f"| {size}, {kind} | " + " | ".join(cells) + f" | {metrics['seconds']['fit']:.0f} |")
    return "\n".join(lines)


def draw(name: str, found: list[tuple[str, int, dict]], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
    quantities = ("force_mae_meV_A", "energy_mae_meV_atom") if name == "ethanol" else (
        "force_rmse_meV_A", "energy_rmse_meV_atom")  # fmt: skip
    for ax, key in zip(axes, quantities, strict=True):
        for kind in dict.fromkeys(kind for kind, *_ in found):
            its = [(size, m["test"]["all"][key]) for k, size, m in found if k == kind]
            ax.loglog(*zip(*its, strict=True), "o-", label=kind)
        if key.startswith("force") and name in BARE:
            ax.plot(*zip(*BARE[name].items(), strict=True), "kx", label="pyace, bare basis")
        what, which, *unit = key.split("_")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:.0e}"[0] in "23568" else "")
        ax.set_xlabel("functions per element")
        ax.set_ylabel(f"{what} {which.upper()} ({'/'.join(unit)})")
        ax.grid(True, which="both", alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(f"{name}, test frames")
    figure.savefig(path, dpi=120)


def main() -> None:
    out, name, source = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    sizes = sorted(map(int, sys.argv[4:])) or SIZES[name]
    out.mkdir(parents=True, exist_ok=True)
    frames = {"peg": peg, "ethanol": ethanol, "hexane": hexane}[name](source)
    found = results(out, name, frames, sizes)
    print(table(found))
    draw(name, found, out / f"accuracy_{name}.png")


if __name__ == "__main__":
    main()
