"""The text of potential files: YAML as yaml-cpp writes it, and one message for whatever is no such file."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from oligopoly.errors import UserError


@contextlib.contextmanager
def understood(path: str | Path, form: str) -> Iterator[None]:
    """Turn whatever goes wrong in reading a file that is not what it should be into a UserError."""
    try:
        yield
    except UserError:
        raise
    except KeyError as error:
        raise UserError(f"{path}: is no {form}, or is not whole: {error} is missing") from error
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: is no {form}, or is not whole ({said})") from error


def load(path: str | Path) -> dict:
    """The YAML of a potential file, with number formats as yaml-cpp writes them and tuples as keys."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(4)
        if start[:2] in (b"PK", b"\x80\x02", b"\x80\x04") or start == b"\x89HDF":
            raise UserError(f"{path}: is a binary file (a model of PyTorch, an active set?), not a potential of ACE")
        with open(path) as stream:
            return yaml.load(stream, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())[:300]}") from error


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """YAML where 1e-05 is a number (YAML 1.1 asks for a dot) and [0, 1] may be a key."""

    def construct_mapping(self, node, deep=False):
        pairs = [(self.construct_object(k, True), self.construct_object(v, True)) for k, v in node.value]
        return {tuple(k) if isinstance(k, list) else k: v for k, v in pairs}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    return loader.construct_mapping(node)


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("!number", _number)


_Loader.add_implicit_resolver("!number", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789"))
