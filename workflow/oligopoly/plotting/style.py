"""One look for all figures: the reference is black, the learned potential is blue, whatever is measured."""

import base64
import io
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

# Colours that stay apart for colour-blind eyes: M. Okabe, K. Ito, Color Universal Design (2008).
REFERENCE = "#000000"
LEARNED = "#0072B2"
FRESH = "#D55E00"
GOOD = "#009E73"
MUTED = "#8C8C8C"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FULL, HALF = 9.4, 4.6  # widths in inches

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.direction": "out",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "errorbar.capsize": 2.5,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.wspace": 0.05,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "oligopoly",  # the same data give the same file
    "svg.fonttype": "path",
}


@contextmanager
def styled():
    """The settings, for the time of a `with`; figures made in it are closed at its end."""
    with plt.rc_context(SETTINGS):
        try:
            yield
        finally:
            plt.close("all")


def panels(columns: int, height: float = 2.6, rows: int = 1, width: float = FULL, **more):
    """A figure with `rows` x `columns` axes, returned as (figure, flat list of axes)."""
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **more)
    return figure, list(axes.ravel())


def plain_log(*axes) -> None:
    """Plain numbers at 1, 2, 5, 10, ... on logarithmic axes."""
    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def data_uri(figure) -> str:
    """The figure as an SVG data URI (clouds of points inside it are pixels, 160 per inch)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
