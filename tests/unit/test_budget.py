"""What was used is what the jobs' files say, and the loop ends when another generation would not fit."""

import os

import pytest

from oligopoly.operations import budget, usage

PLAIN = "s\th:m:s\tmax_rss\tcpu_time\n{s}\t0:00:01\t10\t1\n"
EXTENDED = "s\tcpu_time\tjobid\tthreads\tresources\n{s}\t1\t0\t{threads}\t{{'mem_mb': 10, 'gpu': {gpu}}}\n"


@pytest.fixture
def run(tmp_path):
    """Half an hour of building on 1 core, then generations of 1 h x 8 cores of fits and 2 h with a GPU each."""

    def benchmark(name, text):
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    benchmark("build/hexane", PLAIN.format(s=1800))
    for generation in range(3):
        benchmark(f"fit/{generation:03d}", EXTENDED.format(s=3600, threads=8, gpu=0))
        benchmark(f"explore/{generation:03d}.hexane.npt", EXTENDED.format(s=7200, threads=1, gpu=1))
        ends = [("labelled", 0), ("labelled", 0), ("labelled", 1), ("geometry overlap", 0)]
        path = tmp_path / f"gen_{generation:03d}" / "labels" / "0.outcomes.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(
            "key\toutcome\treason\treused\n" + "".join(f"{n}abc\t{end}\t\t{u}\n" for n, (end, u) in enumerate(ends))
        )
    benchmark("produce/hexane.ace", EXTENDED.format(s=360000, threads=1, gpu=1))
    return tmp_path


def test_core_hours_count_the_cores_a_job_was_given(run):
    found = {(use.rule, use.generation): use for use in usage.jobs(run)}
    assert found["fit", 1].core_hours == 8 and found["fit", 1].gpu_hours == 0
    assert found["explore", 2].gpu_hours == 2 and found["explore", 2].core_hours == 2
    assert found["build", None].core_hours == 0.5
    assert usage.computed(run, run / "store") == 6


def test_a_generation_counts_what_came_before_it_and_nothing_after(run):
    judged = budget.judge({"core_hours": 100, "labels": 50}, run, run / "store", 1, next_labels=10)
    assert judged["spent"] == {"core_hours": 0.5 + 2 * (8 + 2), "gpu_hours": 4, "labels": 4}
    assert judged["next"] == {"core_hours": 10, "gpu_hours": 2, "labels": 10}
    assert not judged["exhausted"]
    assert judged["sentence"] == (
        "Of the budget 20.5 of 100 core-hours, 4 of 50 labels are spent; "
        "another generation takes about 10 core-hours, 10 labels"
    )


@pytest.mark.parametrize(
    ("limits", "exhausted"),
    [
        ({"core_hours": 30.5}, False),
        ({"core_hours": 30.4}, True),
        ({"gpu_hours": 6}, False),
        ({"gpu_hours": 5.9}, True),
        ({"labels": 14}, False),
        ({"labels": 13}, True),
    ],
)
def test_the_loop_ends_before_it_would_spend_too_much(run, limits, exhausted):
    judged = budget.judge(limits, run, run / "store", 1, next_labels=10)
    assert judged["exhausted"] is exhausted
    assert ("do not fit" in judged["sentence"]) is exhausted


def test_what_a_killed_job_had_computed_counts_too(run):
    """Its labels are found in the store by the next attempt, in records younger than the choice of the structures."""
    ledger, record = run / "gen_001" / "selection" / "ledger.tsv", run / "store" / "2ab" / "2abc.json"
    for path, time in ((record, 1000), (ledger, 2000)):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (time, time))
    assert usage.computed(run, run / "store", 1) == 2, "computed before, for another run"
    os.utime(record, (3000, 3000))
    assert usage.computed(run, run / "store", 1) == 3
