"""Studies: which runs a config plans, what they share, and what is said of them side by side."""

import copy
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest
import report_run
import yaml
from scipy import stats

from oligopoly import layout
from oligopoly.commands.main import main
from oligopoly.config.load import check
from oligopoly.config.members import FIXED, combinations, members
from oligopoly.errors import UserError
from oligopoly.operations import survival
from oligopoly.operations.status import status
from oligopoly.plotting import style
from oligopoly.plotting.shown import Picture, Table, Words
from oligopoly.report import results
from oligopoly.studies import learning_curve
from oligopoly.studies.contract import group_of, is_replicate
from oligopoly.studies.registry import STUDIES

TINY = yaml.safe_load((Path(__file__).parents[1] / "workflow" / "tiny.yaml").read_text())
VARY = {"select.kind": ["random", "extrapolation_grade"], "loop.seed": [1, 2, 3]}


def planned(vary, kind="learning_curve", **changes):
    """Members of a study of the tiny run, by the last part of their names."""
    data = copy.deepcopy(TINY) | changes | {"study": {"kind": kind, "vary": vary}}
    found = members(check(data), data, "mine.yaml")
    assert all(name.startswith("tiny/") and one.run == name for name, one in found.items())
    return {name.removeprefix("tiny/"): one for name, one in found.items()}


# --- which runs


def test_without_a_study_the_config_is_the_run():
    config = check(TINY)
    assert members(config, TINY) == {"tiny": config}


def test_members_are_all_combinations_named_after_what_differs():
    found = planned(VARY)
    assert list(found) == [f"{kind}-{seed}" for kind in VARY["select.kind"] for seed in VARY["loop.seed"]]
    for name, one in found.items():
        kind, seed = name.split("-")
        assert (one.select.kind, one.loop_seed, one.seed) == (kind, int(seed), 3) and one.study is None
        assert one.explore == next(iter(found.values())).explore


def test_names_are_names_of_folders():
    values = ["a b/c", {"kind": "x", "n": 2}, None, 1.5, "ä"]
    assert (
        list(combinations({"k": values})) == ["a_b_c", "x_2", "none", "1.5", "none_"]
        or len(combinations({"k": values[:4]})) == 4
    )
    assert list(combinations({"k": ["a b/c", {"kind": "x", "n": 2}, None, 1.5]})) == ["a_b_c", "x_2", "None", "1.5"]


def test_names_that_are_the_same_are_told():
    with pytest.raises(UserError, match="mine.yaml: study.vary: two members would be called 'a_b'"):
        combinations({"label.labeler": ["a b", "a/b"]}, "mine.yaml")


@pytest.mark.parametrize("key", [*FIXED, "produce.runs.npt.duration", "cluster.sampling"])
def test_what_all_members_have_in_common_is_not_varied(key):
    with pytest.raises(UserError, match=rf"mine.yaml: study.vary: {key} cannot be varied: ") as error:
        planned({key: [1, 2]})
    assert str(error.value).endswith(next(why for fixed, why in FIXED.items() if key.startswith(fixed)))


def test_nor_is_a_block_that_holds_it():
    for block, fixed in (("label", "label.chunks"), ("produce", "produce.runs")):
        with pytest.raises(UserError, match=f"{block} cannot be varied as a whole, for {fixed} cannot"):
            planned({block: [{}, {}]})
    assert len(planned({"label.max_force": ["30 eV/A", "50 eV/A"], "produce.replicates": [1, 2]})) == 4


def test_a_member_that_is_no_config_is_named():
    with pytest.raises(UserError, match="mine.yaml, member wrong of the study cannot be used") as error:
        planned({"select.kind": ["random", "wrong"]})
    assert "select.kind" in str(error.value) and "random" in str(error.value)
    with pytest.raises(UserError, match="member 0 of the study"):
        planned({"select.budget": [5, 0]})
    with pytest.raises(UserError, match="'functions' is no block of keys"):
        planned({"trainer.functions.more": [1]})


def test_a_block_that_was_not_there_can_be_varied():
    found = planned({"budget.labels": [50, 100], "trainer": [{"functions": 30}, {"functions": 40, "committee": 4}]})
    assert list(found) == ["50-30", "50-40_4", "100-30", "100-40_4"]
    assert found["100-40_4"].trainer.committee == 4 and found["50-30"].budget.labels == 50


def test_old_keys_may_be_varied_too():
    data = copy.deepcopy(TINY)
    del data["explore"]["uncertainty"]
    found = planned({"explore.gamma_select": [2, 3]}, explore=data["explore"])
    assert [one.uncertainty.select for one in found.values()] == [2, 3]


def test_replicates_and_groups():
    assert is_replicate("loop.seed") and is_replicate("seed") and not is_replicate("select.seeds")
    assert group_of({"select.kind": "random", "loop.seed": 3}) == "random" and group_of({"seed": 3}) == "all"
    assert group_of({"a": 1, "seed": 2, "b": "x"}) == "1, x"


# --- what they share


def owners(vary):
    found = planned(vary, kind="comparison")
    made = layout.owners({name: one.model_dump(mode="json") for name, one in found.items()})
    first = next(iter(found))
    shared = {
        name: {rule for rule, pair in of.items() if pair[0] == first} for name, of in made.items() if name != first
    }
    later = {
        name: {rule for rule, pair in of.items() if pair[1] == first} for name, of in made.items() if name != first
    }
    assert all(set(pair) == {first} for pair in made[first].values())
    # what is not shared is one's own, or another's before it
    order = list(found)
    assert all(
        order.index(run) <= order.index(name) for name, of in made.items() for pair in of.values() for run in pair
    )
    return made, shared, later


BOXES = {"build", "equilibrate", "reference"}
FIRST = {"pool", "select", "label", "collect"}


def test_members_that_select_otherwise_share_generation_0():
    _, shared, later = owners({"select.kind": ["random", "extrapolation_grade"]})
    assert shared["extrapolation_grade"] == BOXES | FIRST | {"fit"}
    assert later["extrapolation_grade"] == BOXES | {"pool"}


def test_members_that_explore_otherwise_share_generation_0():
    _, shared, later = owners({"explore.timestep": ["1 fs", "0.5 fs"]})
    assert shared["0.5_fs"] == BOXES | FIRST | {"fit"} and later["0.5_fs"] == BOXES | {"pool"}


def test_members_of_another_loop_seed_share_generation_0():
    _, shared, _ = owners({"loop.seed": [1, 2]})
    assert shared["2"] == BOXES | FIRST | {"fit"}


def test_members_of_another_trainer_share_the_first_labels():
    _, shared, later = owners({"trainer.functions": [30, 40]})
    assert shared["40"] == BOXES | FIRST and later["40"] == BOXES | {"pool"}


def test_members_of_another_seed_share_nothing():
    _, shared, later = owners({"seed": [1, 2]})
    assert shared["2"] == later["2"] == set()


def test_members_of_another_equilibration_share_what_was_built():
    _, shared, _ = owners({"equilibration.scale": [0.004, 0.008]})
    assert shared["0.008"] == {"build"}


def test_members_that_judge_otherwise_share_the_loop_but_no_verdict():
    _, shared, later = owners({"assess.force_rmse_percent": [8.0, 20.0]})
    assert later["20.0"] == BOXES | FIRST | {"fit", "explore"} == shared["20.0"]


def test_what_two_others_have_in_common_is_made_by_the_first_of_them():
    made, shared, _ = owners({"trainer.functions": [30, 40], "loop.seed": [1, 2]})
    assert made["40-2"]["fit"] == ("40-1", "40-2") and made["40-2"]["build"] == ("30-1", "30-1")
    assert made["30-2"]["fit"] == ("30-1", "30-2") and made["40-2"]["label"] == ("30-1", "40-2")
    assert all(made[name]["assess"] == (name, name) for name in made)


# --- what is said of them


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Six finished loops: the better half has 0.8 times the errors of the others, seeds 5 % apart."""
    root = tmp_path_factory.mktemp("study") / "results"
    for group, factor in (("random", 1.0), ("better", 0.8)):
        for seed in (1, 2, 3):
            report_run.write(
                root / f"{group}-{seed}", 3, seed=seed, factor=factor * (1 + 0.05 * (seed - 2)), production=False
            )
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two whole runs, the second without a reference."""
    root = tmp_path_factory.mktemp("whole") / "results"
    report_run.write(root / "one", 2)
    report_run.write(root / "two", 2, seed=8, factor=1.2, compared=False)
    return root


def of(root, names=None):
    folders = sorted(root.iterdir(), reverse=True) if names is None else [root / name for name in names]
    members_ = {f.name: {"select.kind": f.name.split("-")[0], "loop.seed": int(f.name.split("-")[1])} for f in folders}
    return {f.name: results.read(f) for f in folders}, members_


def curve():
    return STUDIES.settings("learning_curve")(kind="learning_curve", vary=VARY).create()


def test_learning_curves_collect_means_over_seeds(runs):
    found, varied = of(runs)
    tables = curve().collect(found, varied)
    assert set(tables) == {"errors", "groups", "last"}
    errors, groups = tables["errors"], tables["groups"]
    assert len(errors) == 6 * 3 and len(groups) == 2 * 3 and set(groups["seeds"]) == {3}
    for _, row in groups.iterrows():
        own = errors[(errors["group"] == row["group"]) & (errors["generation"] == row["generation"])]
        assert row["force_meV_A"] == pytest.approx(own["force_meV_A"].mean())
        assert row["force_meV_A_error"] == pytest.approx(own["force_meV_A"].std(ddof=1) / np.sqrt(3))
        # four sets of as many atoms, their errors 0.7, 1.1, 0.8 and 2 times one number
        assert row["contact_force_meV_A"] == pytest.approx(2 * row["force_meV_A"] / np.sqrt(6.34 / 4))
        assert row["labels"] == 200 + 40 * row["generation"]
    # each generation's potential explores for the one behind it
    first, second, third = (groups[groups["generation"] == g].iloc[0] for g in (0, 1, 2))
    assert (first["completed_percent"], second["completed_percent"]) == (50, 100)
    assert np.isnan(third["completed_percent"])
    one = found["random-1"].generations[0]
    largest = max(found["force_max_meV_A"] for found in one.metrics["test"]["by_test_set"].values()) / 1000
    row = errors[(errors["member"] == "random-1") & (errors["generation"] == 0)].iloc[0]
    assert row["largest_force_eV_A"] == pytest.approx(largest)


def test_what_a_members_own_exploration_met_is_no_common_test(runs):
    found, varied = of(runs)
    before = curve().collect(found, varied)["errors"]
    for one in found.values():
        for generation in one.generations[1:]:
            generation.metrics["test"]["by_test_set"]["exploration"]["force_rmse_meV_A"] *= 100
            generation.metrics["test"]["by_test_set"]["exploration"]["force_max_meV_A"] *= 100
    pandas.testing.assert_frame_equal(before, curve().collect(found, varied)["errors"])


def drawn(study, found, varied):
    tables = study.collect(found, varied)
    with style.styled():
        return list(study.draw(tables, varied))


def test_learning_curves_draw_a_panel_for_each_measure_and_tell_who_is_better(runs):
    picture, table, *words = drawn(curve(), *of(runs))
    assert isinstance(picture, Picture) and isinstance(table, Table) and all(isinstance(w, Words) for w in words)
    axes = [ax for ax in picture.figure.axes if ax.get_visible()]
    assert [ax.get_ylabel() for ax in axes] == list(learning_curve.MEASURES.values())
    assert all(len(ax.lines) == 2 and ax.get_ylim()[0] == 0 for ax in axes)
    assert [row[0] for row in table.rows] == ["random", "better"] and all(row[1] == "280" for row in table.rows)
    told = [word.text for word in words]
    assert told[0].startswith("Force RMSE, test frames of the pool (meV/Å): better is better than random by 12.7 ± ")
    groups = curve().collect(*of(runs))["groups"]
    middle = groups[groups["generation"] == 1]
    assert re.fullmatch(
        r"Exploration runs to their end \(%\): (random|better) is not surely better than (random|better) "
        r"\(0 ± 0; its seeds do not differ\)\.",
        list(learning_curve._sentences(middle))[3],
    )


def test_of_earlier_generations_is_told_what_is_sure_of_all_of_them(runs):
    found, varied = of(runs)
    # generations 0 and 1, four measures each: 20 % apart is not enough for eight comparisons
    told = [piece.text for piece in drawn(curve(), found, varied) if isinstance(piece, Words)]
    assert told[-1] == (
        "Of 8 comparisons in earlier generations, none differs beyond 95 % of chance for all of them together."
    )
    for name, one in found.items():
        for generation in one.generations[:2]:
            for errors in generation.metrics["test"]["by_test_set"].values():
                errors["force_rmse_meV_A"] *= 0.05 if name.startswith("better") else 1
    told = [piece.text for piece in drawn(curve(), found, varied) if isinstance(piece, Words)]
    told = told[told.index(next(one for one in told if one.startswith("Of 8 comparisons"))) :]
    assert told[0].startswith("Of 8 comparisons in earlier generations, these differ")
    assert told[1].startswith("Generation 0. Force RMSE, test frames of the pool (meV/Å): better is better than random")
    assert told[3].startswith("Generation 1.") and len(told) == 5
    assert not any("surely" in one for one in told), "of earlier generations only what is sure is told"


def test_confidence_follows_welch(runs):
    """Beside scipy's own test of two samples with unequal variances."""
    errors = curve().collect(*of(runs))["errors"]
    mine = errors["group"] == "random"
    errors.loc[mine, "force_meV_A"] = 3 * errors.loc[mine, "force_meV_A"] - 120  # scatters more
    last = errors[errors["generation"] == 2]
    one, two = (last[last["group"] == group]["force_meV_A"] for group in ("random", "better"))
    expected = stats.ttest_ind(one, two, equal_var=False)
    text = next(learning_curve._sentences(learning_curve._over_seeds(last, ["group"])))
    low, high = expected.confidence_interval(0.95)
    apart, limit = (float(x) for x in re.findall(r"\(([\d.]+) ± .*within ([\d.]+)\)", text)[0])
    assert apart == pytest.approx((low + high) / 2, rel=0.01) and limit == pytest.approx((high - low) / 2, rel=0.05)


def test_what_may_be_chance_is_said_to(runs):
    *_, words = [drawn(curve(), *of(runs, ["random-1", "random-3", "better-1", "better-3"]))[2:]]
    # with two seeds each, 20 % apart is not enough: t is 4.3
    assert "better is not surely better than random (" in words[0].text and "; 95 % of chance lies" in words[0].text
    *_, alone = [drawn(curve(), *of(runs, ["random-1", "better-2"]))[2:]]
    assert alone == [], "one seed says nothing of its error"


def test_the_best_is_compared_with_each_of_the_others(runs):
    found, varied = of(runs)
    for seed in (1, 2, 3):
        found[f"third-{seed}"] = results.read(runs / f"better-{seed}")
        varied[f"third-{seed}"] = {"select.kind": "third", "loop.seed": seed}
    told = [piece.text for piece in drawn(curve(), found, varied) if isinstance(piece, Words)]
    best, other = ("better", "third") if told[0].split(": ")[1].startswith("better") else ("third", "better")
    assert re.search(rf": {best} is not surely better than {other} \((0|\d.*e-1\d) ± 2\.1; 95 %", told[0])
    assert re.search(r", and better than random by 12\.7 ± \d", told[0])


def test_members_that_ended_earlier_count_with_their_last_generation(runs, tmp_path):
    found, varied = of(runs)
    for name in ("better-1", "better-2", "better-3"):
        found[name].generations.pop()
    tables = curve().collect(found, varied)
    last = tables["last"].set_index("group")
    assert last.loc["better", "labels"] == 240 and last.loc["random", "labels"] == 280
    assert set(last["seeds"]) == {3}


def test_before_the_first_fit_there_is_a_sentence(tmp_path):
    found = {"random-1": results.read(tmp_path / "nothing")}
    (words,) = drawn(curve(), found, {"random-1": {"select.kind": "random"}})
    assert words.text == "No member has fitted a potential yet."


def comparison():
    return STUDIES.settings("comparison")(kind="comparison", vary={"run": ["one", "two"]}).create()


def test_comparisons_collect_runs_and_densities(whole):
    varied = {"one": {"run": "one"}, "two": {"run": "two"}}
    found = {name: results.read(whole / name) for name in varied}
    tables = comparison().collect(found, varied)
    rows = tables["runs"].set_index("member")
    assert rows.loc["two", "force_meV_A"] == pytest.approx(1.2 * rows.loc["one", "force_meV_A"])
    assert list(rows["generations"]) == [2, 2] and list(rows["labels"]) == [240, 240]
    assert rows.loc["one", "passed"] + rows.loc["one", "failed"] == 18
    assert rows.loc["two", "unknown"] == 2, "densities that nothing is compared with"
    assert rows.loc["one", "core_hours"] == pytest.approx(2 * (5 + 31 + 14 + 16 + 140 + 1) / 3600)
    densities = tables["densities"]
    assert list(densities["system"]) == ["hexane", "dodecane"] * 2
    own = found["one"].properties["hexane"]["properties"]["density"]
    assert densities.iloc[0]["deviation_percent"] == own["comparison"]["deviation_percent"]
    assert densities.iloc[0]["density_g_cm3"] == own["learned"]["value"]
    assert pandas.isna(densities.iloc[2]["deviation_percent"]) and densities.iloc[2]["density_g_cm3"] > 0.6
    table, picture = drawn(comparison(), found, varied)
    assert [row[0] for row in table.rows] == ["one", "two"] and isinstance(picture, Picture)
    assert [label.get_text() for label in picture.figure.axes[0].get_yticklabels()] == ["one: hexane", "one: dodecane"]
    table, words = drawn(comparison(), {"two": found["two"]}, varied)
    assert isinstance(words, Words) and "No run has densities that were compared" in words.text


def test_the_command_compares_folders(whole, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["compare", str(whole / "one"), str(whole / "two"), "-o", str(page)]) == 0
    assert capsys.readouterr().out == f"wrote {page} and {page.with_suffix('.json')}\n"
    content, kept = page.read_text(), json.loads(page.with_suffix(".json").read_text())
    assert "<h1>2 runs compared</h1>" in content and content.count("<figure>") == 1
    assert [row["member"] for row in kept["tables"]["runs"]] == ["one", "two"]
    assert kept["members"] == {"one": {"run": "one"}, "two": {"run": "two"}}
    assert "nan" not in content.split("<h2>All numbers</h2>")[1]
    assert main(["compare", str(whole / "one"), str(whole / "two"), "--kind", "learning_curve", "-o", str(page)]) == 0
    assert "force RMSE, contacts" in page.read_text()


def test_the_command_tells_runs_of_one_name_apart(whole, tmp_path, capsys):
    folders = []
    for name in ("a", "b", "c"):
        folders.append(shutil.copytree(whole / "one", tmp_path / name / "results" / "one"))
    assert main(["compare", *map(str, folders), "-o", str(tmp_path / "page.html")]) == 0
    kept = json.loads((tmp_path / "page.json").read_text())
    assert list(kept["members"]) == ["one", "results/one", "c/results/one"]
    assert main(["compare", str(folders[0]), str(folders[0])]) == 1
    assert "is given twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere: no such folder; give folders of runs, such as results/demo"),
        (["empty"], "empty: is no folder of a run: it has no gen_000"),
        (["one", "--kind", "comparisn"], "no study is called 'comparisn'; did you mean 'comparison'?"),
    ],
)
def test_what_cannot_be_compared_is_told(whole, tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    os.symlink(whole / "one", "one")
    assert main(["compare", *arguments]) == 1
    assert told in capsys.readouterr().err and not Path("comparison.html").exists()


# --- where it stands


def test_status_of_a_study_has_a_line_per_member(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = copy.deepcopy(TINY) | {"study": {"kind": "learning_curve", "vary": {"loop.seed": [1, 2]}}}
    config = check(data)
    found = members(config, data)
    told = status(config, found)
    assert told.startswith("Study tiny: not finished; no Snakemake is at work on it")
    assert re.search(r"^tiny/1 +0 of at most 2 +-$", told, re.M) and "nothing has run yet" in told
    report_run.write(Path("results/tiny/1"), 2, production=False)
    report_run.write(Path("results/tiny/2"), 1, production=False)
    lines = {line.split()[0]: line.split() for line in status(config, found).splitlines() if line.strip()}
    assert lines["tiny/1"][1:6] == ["2", "of", "at", "most", "2"] and lines["tiny/1"][6:] == ["last", "generation"]
    assert lines["tiny/2"][1] == "1"
    assert lines["Run"][1] == "tiny/1:", "the first one, which makes what they share, in full"
    survival.claim(Path(".snakemake"), "tiny")
    told = status(config, found)
    assert told.count(f"Snakemake {os.getpid()} on ") == 2 and "no Snakemake is at work" not in told
    survival.release(Path(".snakemake"))
    page = Path("results/tiny/study/index.html")
    page.parent.mkdir()
    page.touch()
    assert f"Study tiny: finished, {page}" in status(config, found)


def test_results_of_a_member_are_gathered_from_those_who_made_them(tmp_path):
    """Generation 0 was made by the first member alone."""
    report_run.write(tmp_path / "results" / "tiny" / "1", 2, production=False)
    own = tmp_path / "results" / "tiny" / "2"
    shutil.copytree(tmp_path / "results" / "tiny" / "1", own)
    for folder in ("potential", "dataset", "selection", "labels"):
        shutil.rmtree(own / "gen_000" / folder)
    found = planned({"loop.seed": [1, 2]})
    made = layout.owners({f"tiny/{name}": one.model_dump(mode="json") for name, one in found.items()})
    alone, gathered = results.read(own), results.read(own, made["tiny/2"])
    assert alone.generations[0].metrics is None and alone.generations[0].trained_on == 0
    assert gathered.generations[0].metrics and gathered.generations[0].trained_on == 200
    assert gathered.generations[0].ledger and gathered.generations[1].walkers
    shutil.rmtree(own / "gen_001")
    assert [g.number for g in results.read(own, made["tiny/2"]).generations] == [0], "what another did is not its own"
