"""The kernels are compiled by Numba on first use, which takes a minute or more: whoever waits is told."""

import sys
from pathlib import Path
from typing import Any

_told = False


def announce(kernel: Any) -> None:
    """Print a line if `kernel`, a function that Numba caches, has yet to be compiled on this machine."""
    global _told
    index = Path(getattr(getattr(kernel._cache, "_cache_file", None), "_index_path", ""))
    if _told or kernel.signatures or _fresh(index, Path(kernel.py_func.__code__.co_filename)):
        return
    _told = True
    print(
        "compiling for this processor, once, for the first use: a minute, more on a busy machine",
        file=sys.stderr,
        flush=True,
    )


def _fresh(index: Path, source: Path) -> bool:
    return index.is_file() and index.stat().st_mtime >= source.stat().st_mtime
