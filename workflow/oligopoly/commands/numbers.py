"""Numbers on the command line."""

import argparse
from collections.abc import Callable

from oligopoly.quantities import parse


def positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def positive_integer(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return value


def integers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a list of integers like 20,8,4,2") from None


def quantity(dimension: str) -> Callable[[str], float]:
    """A reader of a number with its unit, such as '300 K'."""

    def read(text: str) -> float:
        try:
            return parse(text, dimension)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} {error}") from None

    return read
