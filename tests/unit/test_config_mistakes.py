"""Two hundred ways to get a config wrong: each is one message that names the key, what was given and what is right."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oligopoly.config import strict
from oligopoly.config.load import check, read
from oligopoly.config.members import members
from oligopoly.config.messages import shown
from oligopoly.errors import UserError

GOOD = strict.load(Path(__file__).parents[1] / "workflow" / "tiny.yaml")
JARGON = re.compile(
    r"value_error|Input should|input should|\[type=|type_error|pattern|\^\[|valid (integer|string|dictionary|list|number)"
    r"|instance of|pydantic|validation error|Traceback|NoneType|function-|constrained|should have|unable to parse",
)


def changed(changes: dict) -> dict:
    """A good config with other values by path; ... takes a key away."""
    data = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *way, last = path.split("/")
        block = data
        for key in way:
            block = block.setdefault(key, {})
        if value is ...:
            block.pop(last)
        else:
            block[last] = value
    return data


def refused(data, source="mine.yaml") -> str:
    with pytest.raises(UserError) as caught:
        members(check(data, source, quiet=True), data, source)
    message = str(caught.value)
    assert message.startswith(source), message
    assert not JARGON.search(message), message
    assert len(message) < 4000, message
    return message


WHOLE_NUMBERS = {
    "seed": (0, 2**31 - 1),
    "systems/hexane/chains": (1, 100_000),
    "systems/hexane/degree_of_polymerisation": (1, 10_000),
    "pool/frames_per_state": (0, 100_000),
    "pool/clusters/count": (0, 100_000),
    "pool/contacts/pairs": (0, 100_000),
    "label/molecules": (1, 1000),
    "label/chunks": (1, 500),
    "trainer/functions": (5, 20_000),
    "trainer/committee": (0, 99),
    "explore/candidates": (1, 100_000),
    "explore/uncertainty/every": (1, 100_000),
    "select/audit": (0, 1_000_000),
    "loop/generations": (0, 999),
    "loop/seed": (0, 2**31 - 1),
    "budget/labels": (1, 10**9),
    "produce/replicates": (1, 100),
}
OF_NUMBERS = [
    (path, value)
    for path, (least, most) in WHOLE_NUMBERS.items()
    for value in (least - 1, most + 1, True, "3", 2.5, float("inf"))
]


@pytest.mark.parametrize(("path", "value"), OF_NUMBERS)
def test_whole_numbers(path, value):
    message = refused(changed({path: value}))
    assert f"{path.replace('/', '.')}: given {shown(value)}: must be a whole number" in message
    assert message.count("\n") == 1


QUANTITIES = {
    "systems/hexane/temperature": ("0.5 K", "20000 K", "1 fs"),
    "systems/hexane/pressure": ("-20 GPa", "1e30 GPa", "1 Pa"),
    "equilibration/timestep": ("1e-9 fs", "5 fs", "1 A"),
    "equilibration/hydrogen_mass": ("0.1 g/mol", "50 g/mol", "2"),
    "equilibration/max_pressure": ("-1 atm", "1e9 atm", "1 K"),
    "reference/sample_every": ("1e-9 fs", "1 s", "150"),
    "reference/settle": ("0 ps", "1e400 ps", "ps"),
    "reference/states/liquid/duration": ("1e-9 fs", "1e400 ps", "3 hours"),
    "label/min_distance": ("1e-9 A", "1000 A", "0.5 Ang"),
    "label/max_force": ("0 eV/A", "1e30 eV/A", "50 eV"),
    "trainer/cutoff": ("1e-9 A", "1000 A", "4.5"),
    "trainer/sigma_energy": ("-1 meV", "1e9 eV", "1 kcal"),
    "explore/walkers/npt/duration": ("0 fs", "1 year", "0.3ps ps"),
    "produce/runs/npt/duration": ("-1 ps", "1e30 ns", "one ps"),
}
OF_QUANTITIES = [
    (path, value) for path, values in QUANTITIES.items() for value in (*values, 300, True, None, [1], "")
    if not (value is None and path.endswith("hydrogen_mass"))
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), OF_QUANTITIES)
def test_quantities(path, value):
    message = refused(changed({path: value}))
    assert f"{path.replace('/', '.')}: given {shown(value)}: " in message
    assert re.search(r"must be from|with its unit, such as|is no unit of", message), message
    assert message.count("\n") == 1


BLOCK = {"a": 1}
OF_KINDS = {
    # what is a block, a list, a word, true or false
    "systems": [None, [], "hexane", 3, {}],
    "systems/hexane": [None, [1], "*CC*"],
    "reference": [None, "md", [1]],
    "reference/states": [{}, None, [{"liquid": 1}]],
    "explore/walkers": [{}, ["npt"], 3],
    "pool/clusters/sizes": [3, [], [0], ["1"], [1.5], [10**6], BLOCK],
    "pool/contacts/learn": ["yes", 1, "on", None, [True]],
    "pool/test_share": [0, 1, "0.2", True, None],
    "systems/hexane/role": ["Train", "trian", True, 1, None, ["train"]],
    "systems/hexane/end_groups": ["rin", [], ["*C"], ["*C", 1], 3, BLOCK],
    "systems/hexane/repeat_unit": ["", 5, ["*CC*"], None, "*" + "C" * 600 + "*"],
    "trainer/ridge": ["autp", 2, 0, True, [1]],
    "trainer/ranks": [3, {"n": [5], "l": []}, {"n": [], "l": []}, {"n": [3] * 12, "l": [0] * 12}, {"n": [3], "l": [2]}],
    "select/budget": ["many", [], [1, -2], 2.5, True, None, BLOCK, [[1]]],
    "explore/uncertainty/select": [True, -1, [2], "2 eV", float("nan")],
    "explore/engine": ["lammps", 1, None],
    "loop/mode": ["untill", 1, True],
    "label/structures": ["frame", 0],
    "label/max_bond": [1.1, 3.5, "1.5", float("nan")],
    "budget/core_hours": [0, -1, "20 h", float("inf"), True],
    "assess/completed_share": [1.1, -0.1, "100 %"],
    "assess/force_rmse_percent": [0, 1e9, "8 %"],
    "cluster/sampling": ["gpus", 1],
    "cluster/cpu_partition": ["", "a b", "cpu; rm", 3],
    "cluster/modules": [["lammps"], {"label": "qe"}, {"label": ["a b"]}],
    "study": ["learning_curve", [1], 3],
    "label/store": ["", " results/x", "$SCRATCH/store", "$(touch x)", "~nobody-here/x", 3, None, "a" * 300],
    "run": ["", "my run", "../x", "a/b", "über", 3, True, None, "x" * 300, "1st", "a.b", "-x"],
}  # fmt: skip


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in OF_KINDS.items() for value in values])
def test_kinds_of_values(path, value):
    message = refused(changed({path: value}))
    key = path.replace("/", ".")
    assert re.search(rf"^  {re.escape(key)}[.:]", message, re.M), message
    if value is not None and not isinstance(value, list | dict):
        assert f"{key}: given {shown(value)}: " in message, message
    lines = message.count("\n")
    assert lines == 1 or value in ({"n": [], "l": []}, {"n": [3] * 12, "l": [0] * 12}), message


RUN = {"ensemble": "npt", "duration": "1 ps"}
LONG = "long-" * 13
# What is right by itself, and the words of the message, among them all keys that are concerned.
TOGETHER = {
    "one frame is longer than the run": (
        {"reference/states/dense/duration": "30 fs"}, ["reference.states.dense.duration (30 fs)", "sample_every (60 fs)"]),
    "and in production": (
        {"produce/runs/nvt/duration": "10 fs"}, ["produce.runs.nvt.duration (10 fs)", "produce.sample_every (20 fs)"]),
    "a frame each half step": (
        {"reference/sample_every": "0.5 fs"}, ["reference.sample_every (0.5 fs)", "reference.timestep (1.5 fs)"]),
    "in one run alone": (
        {"produce/sample_every": "0.7 fs", "produce/timestep": "0.5 fs", "produce/runs/nvt/timestep": "1 fs"},
        ["produce.sample_every (0.7 fs)", "produce.runs.nvt.timestep (1 fs)"]),
    "more frames than there are": (
        {"pool/frames_per_state": 400}, ["reference.states.liquid.duration (3 ps) holds 50", "frames_per_state (400)"]),
    "more frames than fit": (
        {"produce/runs/npt/duration": "10 us"}, ["produce.runs.npt.duration (10 us)", "sample_every (20 fs)", "frames"]),
    "more steps than anyone runs": (
        {"explore/walkers/npt/duration": "10 us", "explore/timestep": "0.5 fs"},
        ["explore.walkers.npt.duration (10 us)", "explore.timestep (0.5 fs)", "steps"]),
    "over before the first score": (
        {"explore/uncertainty/every": 1000}, ["explore.walkers.npt.duration (0.3 ps)", "uncertainty.every (1000)"]),
    "stop below select": ({"explore/uncertainty/select": 60}, ["explore.uncertainty", "stop (50)", "select (60)"]),
    "real masses at long steps": (
        {"produce/hydrogen_mass": "4 g/mol", "produce/runs/nvt/timestep": "2 fs"},
        ["produce.runs.nvt.real_masses (true)", "produce.runs.nvt.timestep (2 fs)"]),
    "colder than the liquid": (
        {"equilibration/max_temperature": "250 K"}, ["equilibration.max_temperature (250 K)", "temperature (by default 300 K)"]),
    "steps too long for hydrogen": (
        {"explore/timestep": "3 fs"}, ["explore.timestep (3 fs)", "explore.hydrogen_mass: 4.03 g/mol"]),
    "budgets of no generation": (
        {"select/budget": [6, 5, 4]}, ["select.budget ([6, 5, 4])", "loop.generations (1)"]),
    "nothing to learn from": (
        {"pool/frames_per_state": 0, "pool/clusters/count": 0, "pool/contacts/pairs": 0},
        ["pool.frames_per_state (0)", "pool.clusters.count (0)", "pool.contacts.pairs (0)"]),
    "too many atoms": (
        {"systems/hexane/chains": 10_000}, ["systems.hexane.chains (10000)", "degree_of_polymerisation (3)", "200000 atoms"]),
    "a volume at constant pressure": (
        {"reference/states/liquid/volume_ratio": 1.1}, ["reference.states.liquid", "volume_ratio", "npt"]),
    "a pressure at constant volume": ({"reference/states/dense/pressure": "1 atm"}, ["reference.states.dense", "pressure"]),
    "no state for the density": ({"reference/states/liquid": ...}, ["reference.states", "npt"]),
    "nothing to train on": ({"systems/butane/role": "transfer"}, ["systems", "train"]),
    "no such state": ({"pool/learn_from": ["liquit"]}, ["pool.learn_from", "'liquit'", "did you mean 'liquid'"]),
    "a run after none": ({"produce/runs/nvt/after": "npd"}, ["produce.runs.nvt.after", "'npd'", "npt"]),
    "store in the run": ({"label/store": "results/tiny/labels"}, ["label.store (results/tiny/labels)", "run (tiny)"]),
    "run in the store": ({"label/store": "results"}, ["label.store (results)", "run (tiny)"]),
    "store is the run": ({"label/store": "./results/../results/tiny"}, ["label.store", "run (tiny)"]),
    "store below a file": ({"label/store": f"{__file__}/store"}, ["label.store", "is a file"]),
    "store is a file": ({"label/store": __file__}, ["label.store", "is a file"]),
    "run called store": ({"run": "store"}, ["run: given 'store'", "folder"]),
    "run called slurm-logs": ({"run": "slurm-logs"}, ["run: given 'slurm-logs'", "folder"]),
    "run called Final": ({"run": "Final"}, ["run: given 'Final'", "folder"]),
    "run called gen_000": ({"run": "gen_000"}, ["run: given 'gen_000'", "folder"]),
    "systems that differ in capitals": (
        {"systems/Hexane": GOOD["systems"]["hexane"]}, ["systems:", "'hexane' and 'Hexane'"]),
    "walkers that differ in capitals": ({"explore/walkers/NPT": {"duration": "1 ps"}}, ["explore.walkers:", "'npt' and 'NPT'"]),
    "a long name": ({f"systems/{LONG}": GOOD["systems"]["hexane"]}, ["systems: given 'long-", "60 characters"]),
    "a name with a blank": ({"produce/runs/long run": RUN}, ["produce.runs: given 'long run'", "such as 'long-run'"]),
    "a name with a dot": ({"reference/states/a.b": RUN}, ["reference.states: given 'a.b'", "such as 'a-b'"]),
    "a name of digits": ({"explore/walkers/300": {"duration": "1 ps"}}, ["explore.walkers: given '300'", "a letter"]),
    "frames of a method without": (
        {"label/structures": "frames", "label/labeler": {"kind": "pyscf"}}, ["label.structures", "pyscf", "clusters"]),
    "no element": (
        {"label/labeler": {"kind": "vasp", "potentials": {"Xx": "Xx"}, "potential_folder": "/p"}},
        ["label.labeler.potentials: given 'Xx'", "no chemical element"]),
    "a shell": (
        {"label/labeler": {"kind": "cp2k", "command": "cp2k_shell && rm x"}},
        ["label.labeler.command: given 'cp2k_shell && rm x'", "without a shell"]),
    "cutoffs of plane waves": (
        {"label/labeler": {"kind": "espresso", "pseudopotentials": {"C": "C.UPF"}, "pseudopotential_folder": "/p",
                           "density_cutoff": "100 Ry"}},
        ["label.labeler.density_cutoff", "wavefunction_cutoff"]),
    "no grid": ({"label/labeler": {"kind": "pyscf", "grid": [75]}}, ["label.labeler.grid: given [75]", "a list of 2"]),
    "many points": ({"label/labeler": {"kind": "pyscf", "grid": [75, 10**9]}}, ["label.labeler.grid.1", "50 to 6000"]),
    "no kind of labeler": ({"label/labeler": {"kind": "pyscff"}}, ["label.labeler.kind: given 'pyscff'", "'pyscf'"]),
    "labeler as a word": ({"label/labeler": "xtb"}, ["label.labeler: given 'xtb'", "`kind` is one of"]),
    "unknown kind of frames": (
        {"trainer/config_types": {"bulky": {"sigma_force": "1 eV/A"}}}, ["trainer.config_types: given 'bulky'", "'bulk'"]),
    "nobody's key": ({"systems/hexane/temprature": "300 K"}, ["systems.hexane.temprature", "did you mean 'temperature'"]),
    "a key of none": ({"loop/xyzzy": 1}, ["loop.xyzzy: unknown key; known here: mode, generations, seed"]),
    "a key left out": ({"systems/hexane/chains": ...}, ["systems.hexane.chains: is missing (chains in the box"]),
    "a study of too many": (
        {"study": {"kind": "comparison", "vary": {"loop.seed": list(range(600))}}}, ["study.vary", "600", "500"]),
    "a study of nothing": ({"study": {"kind": "comparison", "vary": {"seed": []}}}, ["study.vary.seed: given []", "empty"]),
    "a study of what cannot be": (
        {"study": {"kind": "comparison", "vary": {"run": ["a", "b"]}}}, ["study.vary: run cannot be varied"]),
    "a bad member": (
        {"study": {"kind": "comparison", "vary": {"systems.hexane.chains": [8, True]}}},
        ["member True of the study", "systems.hexane.chains: given true"]),
    "a member called as a folder": (
        {"study": {"kind": "comparison", "vary": {"label.store": ["report", "x"]}}}, ["would be called 'report'"]),
    "an ensemble that is not run": (
        {"produce/runs": {"nvt": {"duration": "1 ps"}}, "properties/density": {}}, ["properties.density", "npt", "produce.runs"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHER)
def test_keys_together(case):
    changes, words = TOGETHER[case]
    message = refused(changed(changes))
    for word in words:
        assert word in message, message


def test_there_are_two_hundred():
    assert len(OF_NUMBERS) + len(OF_QUANTITIES) + sum(map(len, OF_KINDS.values())) + len(TOGETHER) > 300


def test_many_mistakes_are_counted():
    data = changed({f"systems/{'x' * 20}{k}": {"role": 3} for k in range(50)})
    message = refused(data)
    assert message.count("\n") == 31 and "and 20 more mistakes" in message


def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check(changed({"label/store": "~/store"})).label.store == f"{tmp_path}/store"


def test_a_store_that_cannot_be_written_to(monkeypatch, tmp_path):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, who may do all
    assert f"the folder {tmp_path} cannot be written to" in refused(changed({"label/store": f"{tmp_path}/store"}))


def test_what_is_odd_and_right():
    for changes in (
        {"systems/NO": GOOD["systems"]["hexane"], "systems/on": GOOD["systems"]["hexane"]},
        {"run": "x" * 60}, {"select/budget": [6, 3], "loop/generations": 2}, {"trainer/ridge": 1e-9}, {"explore/uncertainty/select": 3},
        {"systems/hexane/end_groups": "ring"}, {"systems/hexane/end_groups": ["*C", "*O"]}, {"pool/test_share": 0.5},
        {"budget/core_hours": 5}, {"systems/hexane/pressure": "-50 MPa"}, {"label/store": "../elsewhere/store"},
    ):  # fmt: skip
        assert check(changed(changes)).run


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["300 K", "1e-3 fs", "*CC*", "npt", "ring", "auto", "~", "1 ps", "results/store", "1e400 A"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def paths(block, way=()):
    for key, value in block.items():
        yield (*way, key)
        if isinstance(value, dict):
            yield from paths(value, (*way, key))


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(sorted(paths(GOOD))), st.text(max_size=8), values), min_size=1, max_size=3))
def test_whatever_is_given_is_right_or_told(mutations):
    data = copy.deepcopy(GOOD)
    for way, new, value in mutations:
        block = data
        for key in way[:-1]:
            block = block.get(key) if isinstance(block, dict) else None
        if isinstance(block, dict):
            block[new or way[-1]] = value
            if not new:
                block[way[-1]] = value
    try:
        members(check(data, "mine.yaml", quiet=True), data, "mine.yaml")
    except UserError as error:
        assert str(error).startswith("mine.yaml") and not JARGON.search(str(error)), error


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**6), st.text(max_size=5))
def test_whatever_stands_in_a_file_is_right_or_told(tmp_path, where, text):
    said = yaml.safe_dump(GOOD)
    where %= len(said)
    file = tmp_path / "mine.yaml"
    file.write_text(said[:where] + text + said[where + 1 :], newline="", errors="surrogatepass")
    try:
        read(file)
    except UserError as error:
        assert str(error).startswith(str(file))
