"""Numbers as people write them."""


def quantity(value, error=None, unit: str = "") -> str:
    """A number with its error and unit, as people write it."""
    if value is None:
        return "not known"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if error is not None:
        text += f" ± {error:.2g}"
    return f"{text} {unit or ''}".strip()
