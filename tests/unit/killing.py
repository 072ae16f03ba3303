"""Work that is killed between two of its steps."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def killed_at(count: int, owner: type, step: str, work: Callable, *given, **named) -> None:
    """Do `work(*given, **named)` up to the `count`-th call (from 1) of `owner.step`, which is not made any more."""
    do, calls = getattr(owner, step), itertools.count(1)

    def dies(*arguments):
        if next(calls) == count:
            raise Killed
        return do(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, step, dies)
        work(*given, **named)


def lose_outputs(folder: Path) -> None:
    """As Snakemake removes the outputs of a failed job."""
    for file in folder.glob("*/*.*"):
        file.unlink()
