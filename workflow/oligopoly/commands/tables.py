"""Errors as a table on the terminal, and long lists cut short."""

from collections.abc import Sequence

SHOWN = 20  # sentences of a kind


def print_first(kind: str, sentences: Sequence[str]) -> None:
    """A line for each of the first sentences, and how many more there are."""
    for sentence in sentences[:SHOWN]:
        print(f"{kind}: {sentence}")
    if len(sentences) > SHOWN:
        print(f"{kind}: {len(sentences) - SHOWN} more")


def print_errors(parts: dict[str, dict]) -> None:
    """A row for each part, and one for each of its kinds of frames."""
    columns = (
        ("frames", "frames", "{:d}"),
        ("F RMSE meV/A", "force_rmse_meV_A", "{:.1f}"),
        ("F MAE meV/A", "force_mae_meV_A", "{:.1f}"),
        ("F RMSE %", "force_rmse_percent", "{:.1f}"),
        ("E RMSE meV/atom", "energy_rmse_meV_atom", "{:.2f}"),
        ("E MAE meV/atom", "energy_mae_meV_atom", "{:.2f}"),
        ("P RMSE bar", "pressure_rmse_bar", "{:.0f}"),
    )
    rows = []
    for part, entry in parts.items():
        kinds = entry["by_config_type"]
        rows.append((part, entry["all"]))
        if len(kinds) > 1:
            rows += [(f"  {kind}", values) for kind, values in kinds.items()]
    width = max(len(name) for name, _ in rows)
    print(" " * width + "".join(f"  {title}" for title, _, _ in columns))
    for name, values in rows:
        cells = [
            ("-" if values[key] is None else form.format(values[key])).rjust(len(title) + 2)
            for title, key, form in columns
        ]
        print(name.ljust(width) + "".join(cells))
