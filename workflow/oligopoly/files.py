"""Writing files so that a kill at any instruction leaves either the old file or the new one."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` when the block ends well.

    The temporary name keeps the suffix, since many writers choose the format by it. The data reach
    the disk before the name does (fsync), so a crash of the machine cannot leave an empty file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text)


def copy(source: str | Path, target: str | Path) -> None:
    """Copy a file atomically."""
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def beside(prefix: str | Path, suffix: str) -> Path:
    """`prefix` with `suffix` appended to its name, dots in the name kept."""
    prefix = Path(prefix)
    return prefix.with_name(prefix.name + suffix)
