"""pacemaker as a trainer: what is asked of it, what comes back, and what is said where it is missing.

Tests of the real program run in the environment whose folder is in PACEMAKER_ENVIRONMENT, or in .venv-pacemaker (`make
pacemaker`), or without TensorFlow in this one (`make oracle`).
"""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import yaml
from labelled import labelled_frames

from oligopoly.accuracy import parity
from oligopoly.ace import active_set
from oligopoly.ace.design import Design
from oligopoly.ace.fit import Weights
from oligopoly.ace.potential import read_yaml
from oligopoly.errors import UserError
from oligopoly.potentials import manifest as manifests
from oligopoly.potentials.pace import installed
from oligopoly.potentials.registry import bare, open_potential
from oligopoly.trainers import ace, pacemaker_fit, pacemaker_programs, with_pyace
from oligopoly.trainers.pacemaker_check import check_installation
from oligopoly.trainers.registry import TRAINERS, train

ENVIRONMENT = os.environ.get("PACEMAKER_ENVIRONMENT")
if ENVIRONMENT is None and not (pacemaker_programs.OWN / pacemaker_programs.INSTALLED).exists():
    ENVIRONMENT = sys.prefix
BASIS = {"functions": 8, "cutoff": 4.0, "ranks": {"n": [5, 2], "l": [0, 1]}}


@pytest.fixture(scope="module")
def backend() -> str:
    """The best backend there is."""
    reasons = []
    for name in ("tensorpot", "pyace"):
        try:
            check_installation(ENVIRONMENT, name)
        except UserError as error:
            reasons.append(str(error))
        else:
            return name
    pytest.skip(reasons[-1])


def asked(tmp_path, **changes) -> dict:
    settings = {
        "elements": ["C", "H"], "functions": 30, "cutoff": 4.5, "n_max": None, "l_max": None,
        "embedding": "finnis-sinclair", "optimise_radial": True, "force_share": 0.01, "regularisation": 1e-8,
        "iterations": 7, "backend": "tensorpot", "batch_size": 3, "train": "a.pckl.gzip", "test": None,
    }  # fmt: skip
    pacemaker_fit.write_input(tmp_path / "input.yaml", **(settings | changes))
    return yaml.safe_load((tmp_path / "input.yaml").read_text())


def test_the_input_says_what_the_config_says(tmp_path):
    content = asked(tmp_path)
    assert content["potential"]["embeddings"]["ALL"]["fs_parameters"] == [1, 1, 1, 0.5]
    assert content["potential"]["embeddings"]["ALL"]["ndensity"] == 2
    assert content["potential"]["bonds"]["ALL"]["rcut"] == content["cutoff"] == 4.5
    assert content["potential"]["functions"]["number_of_functions_per_element"] == 30
    assert content["fit"]["trainable_parameters"] == "ALL"
    assert content["fit"]["maxiter"] == 7
    assert content["fit"]["loss"]["kappa"] == 0.01
    assert content["data"] == {"filename": "a.pckl.gzip"}
    plain = asked(tmp_path, embedding="linear", optimise_radial=False, n_max=[4, 2], l_max=[0, 1], test="b.pckl.gzip")
    assert plain["potential"]["embeddings"]["ALL"]["fs_parameters"] == [1, 1]
    assert plain["potential"]["functions"]["ALL"] == {"nradmax_by_orders": [4, 2], "lmax_by_orders": [0, 1]}
    assert plain["fit"]["trainable_parameters"] == "func"
    assert plain["data"]["test_filename"] == "b.pckl.gzip"


def test_the_loss_is_that_of_the_built_in_trainer():
    """kappa undoes pacemaker's normalisation: its loss is sum (error / sigma)^2 but for a factor."""
    rng = np.random.default_rng(0)
    weights = Weights(force=0.2, energy=1e-3, energy_cluster=3e-3)
    frames = labelled_frames(3) + labelled_frames(2, periodic=False)
    frames[0].arrays["REF_forces"][0] = [30.0, 0.0, 0.0]  # on a wall
    weighed = [pacemaker_fit.weigh(atoms, weights) for atoms in frames]
    share = pacemaker_fit._force_share(frames, weights)
    ratios = []
    for _ in range(3):
        energy = rng.normal(size=len(frames))  # errors per atom
        force = [rng.normal(size=(len(atoms), 3)) for atoms in frames]
        loss = (1 - share) * sum(w * e**2 for (w, _), e in zip(weighed, energy, strict=True)) / sum(
            w for w, _ in weighed
        ) + share * sum((w[:, None] * f**2).sum() for (_, w), f in zip(weighed, force, strict=True)) / sum(
            w.sum() for _, w in weighed
        )
        chi_squared = 0.0
        for atoms, e, f in zip(frames, energy, force, strict=True):
            wall = 1 + (np.linalg.norm(atoms.arrays["REF_forces"], axis=1) / 10.0) ** 2
            sigma = 1e-3 if atoms.pbc.all() else 3e-3
            chi_squared += (e / sigma / wall.max()) ** 2 + ((f / 0.2 / wall[:, None]) ** 2).sum()
        ratios.append(loss / chi_squared)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-12)


def test_frames_arrive_as_they_were(tmp_path):
    frames = labelled_frames(2) + labelled_frames(1, periodic=False)
    frames.append(frames[2][:3])
    frames[3].info["REF_energy"] = 2.5
    pacemaker_fit.save_frames(tmp_path / "f.npz", frames, {"C": -3.0, "H": -1.0}, Weights())
    arrived = list(with_pyace.structures(tmp_path / "f.npz"))
    assert len(arrived) == 4
    for atoms, (same, own) in zip(frames, arrived, strict=True):
        assert same.symbols.get_chemical_formula() == atoms.symbols.get_chemical_formula()
        np.testing.assert_array_equal(same.positions, atoms.positions)
        np.testing.assert_array_equal(np.asarray(same.cell), np.asarray(atoms.cell))
        assert same.pbc.all() == atoms.pbc.all()
        np.testing.assert_array_equal(own["forces"], atoms.arrays["REF_forces"])
        assert own["w_forces"].shape == (len(atoms),)
    assert arrived[3][1]["energy"] == pytest.approx(2.5 + 3 * 3.0)


def test_metrics_are_read_back(tmp_path):
    (tmp_path / "metrics.txt").write_text(
        "ladder_step cycle_step iter_num loss rmse_epa rmse_f_comp ncoefs\n"
        "0           0          0        2.0  0.5      1.5         12    \n"
        "0           0          31       1e-3 0.02     0.25        12    \n"
    )
    assert pacemaker_fit.read_back(tmp_path) == {
        "iterations": 31, "loss": 1e-3, "parameters": 12, "energy_rmse_meV_atom": 20.0, "force_rmse_meV_A": 250.0,
    }  # fmt: skip


def test_what_pacemaker_would_choke_on_is_said_before(tmp_path):
    frames = labelled_frames(3)
    with pytest.raises(UserError, match="12 atoms of C .* active set of 30"):
        pacemaker_fit._check(frames, [], ["C", "H"], 30)
    del frames[1].arrays["REF_forces"]
    with pytest.raises(UserError, match="energy and forces of every frame"):
        pacemaker_fit._check(frames, [], ["C", "H"], 5)
    slab = labelled_frames(1)[0]
    slab.pbc = [True, True, False]
    with pytest.raises(UserError, match="all directions or none"):
        pacemaker_fit._check([slab], [], ["C", "H"], 4)
    with pytest.raises(UserError, match="no training frames"):
        pacemaker_fit._check([], [], [], 4)
    with pytest.raises(UserError, match="'N'"):
        other = labelled_frames(1)[0]
        other.numbers[0] = 7
        pacemaker_fit._check(labelled_frames(1), [other], ["C", "H"], 4)


def test_a_program_that_fails_has_the_last_word(tmp_path):
    command = [sys.executable, "-c", "import sys; print('out of luck'); sys.exit(3)"]
    with pytest.raises(UserError, match=r"exit code 3\): out of luck"):
        pacemaker_programs.run(command, tmp_path, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux'")
def test_a_program_ends_with_the_job_that_started_it(tmp_path):
    fit = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    arguments = f"[{sys.executable!r}, '-c', {fit!r}], {str(tmp_path)!r}, 1"
    job = f"from oligopoly.trainers.pacemaker_programs import run; run({arguments})"
    started = subprocess.Popen([sys.executable, "-c", job])
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert started.poll() is None
        time.sleep(0.05)
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    started.kill()
    started.wait()
    gone, alive = psutil.wait_procs([child], timeout=5)
    assert not alive


def environment(folder, **programs: str):
    """An environment of this Python with `programs` by name, shell scripts; what lies in it is imported first."""
    (folder / "bin").mkdir(parents=True)
    programs = {"python": f'PYTHONPATH={folder} exec {sys.executable} "$@"', **programs}
    for name, script in programs.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    return str(folder)


PACEMAKER = "class PyACECalculator: pass\n__version__ = '0'\n"


@pytest.fixture
def not_here(tmp_path, monkeypatch):
    """No pacemaker is found, and nothing is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pacemaker_programs, "OWN", tmp_path / ".venv-pacemaker")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_a_missing_installation_is_one_message(tmp_path, not_here):
    with pytest.raises(UserError, match="not installed: .*`make pacemaker` installs it from PyPI"):
        check_installation()
    with pytest.raises(UserError, match="trainer.environment: /nowhere"):
        check_installation("/nowhere")
    half = environment(tmp_path / "half", pacemaker="")
    with pytest.raises(UserError, match="broken: no .*pace_activeset"):
        check_installation(half)


def test_the_checkouts_own_comes_before_the_path_once_it_is_complete(tmp_path, not_here):
    programs = {"pacemaker": "", "pace_activeset": ""}
    environment(tmp_path / ".venv-pacemaker", **programs)
    with pytest.raises(UserError, match="not installed"):  # `make pacemaker` was interrupted
        pacemaker_programs.programs()
    shutil.copytree(tmp_path / ".venv-pacemaker" / "bin", tmp_path, dirs_exist_ok=True)
    assert pacemaker_programs.programs().pacemaker == tmp_path / "pacemaker"
    (tmp_path / ".venv-pacemaker" / "installed").touch()
    assert pacemaker_programs.programs().pacemaker == tmp_path / ".venv-pacemaker" / "bin" / "pacemaker"


@pytest.mark.parametrize(
    ("package", "script", "says"),
    [
        ("notes = 'C D E'\n", "", "unrelated package.*make pacemaker"),
        ("raise ImportError('libstdc++ is too old')\n", "", "libstdc.. is too old"),
        # what numpy 2.4 did: everything can be imported
        (PACEMAKER, "echo 'TypeError: only 0-dimensional arrays'; exit 1", r"in \S*env cannot be used: a fit of one "
         r"step fails: pacemaker failed \(exit code 1\): TypeError: only 0-dim\S* arrays. Its numpy is .* < 2.4"),
        (PACEMAKER, "echo \"No module named 'tensorflow'\"; exit 1", "trainer.backend: pyace needs no TensorFlow"),
        (PACEMAKER, "kill -SEGV $$", r"pacemaker failed \(signal 11\)"),
    ],
)  # fmt: skip
def test_a_broken_installation_is_seen_by_a_fit_of_one_step(tmp_path, not_here, package, script, says):
    there = environment(tmp_path / "env", pacemaker=script, pace_activeset="")
    (tmp_path / "env" / "pyace.py").write_text(package)
    (tmp_path / "env" / "pandas.py").write_text("class DataFrame:\n    __init__ = to_pickle = lambda *_, **__: None\n")
    with pytest.raises(UserError, match=says) as raised:
        check_installation(there)
    assert "/tmp/pacemaker." not in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(UserError, match=says):  # failures are not remembered
        check_installation(there)


def test_an_environment_that_was_moved_is_one_message(tmp_path, not_here):
    there = environment(tmp_path / "env", pacemaker="", pace_activeset="")
    for name in ("pacemaker", "python"):
        script = tmp_path / "env" / "bin" / name
        script.write_text("#!/where/it/was/bin/python\n")
        with pytest.raises(UserError, match=f"{name} cannot be started .No such file"):
            if name == "python":
                check_installation(there)
            else:
                pacemaker_programs.run([script], tmp_path, 1)


@pytest.mark.slow
def test_what_worked_is_not_tried_again_until_something_changes(tmp_path, backend, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    versions = check_installation(ENVIRONMENT, backend)
    assert versions["python-ace"] and "a fit of one step" in capsys.readouterr().err
    assert check_installation(ENVIRONMENT, backend) == versions
    assert capsys.readouterr().err == ""
    (tmp_path / "more" / "something-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "more" / "something-1.0.dist-info" / "METADATA").write_text("Name: something\nVersion: 1.0\n")
    (tmp_path / "more" / "pyace.py").write_text("raise ImportError('something is in the way')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"), prepend=os.pathsep)
    with pytest.raises(UserError, match="cannot be used: ImportError: something is in the way"):
        check_installation(ENVIRONMENT, backend)


def settings_of(**given):
    """Settings of the trainer, given in base units."""
    return TRAINERS.read({"kind": "pacemaker", **given})


def test_what_the_config_says_of_its_potentials():
    """The built-in engine runs linear ones only; a node is tried with a quick fit that needs no pacemaker."""
    plain, other = settings_of(embedding="linear", cutoff=4.5), settings_of()
    assert plain.engines() == {"built-in", "pace"} and other.engines() == {"pace"}
    assert plain.gives() == other.gives() == {"gamma", "descriptors"}
    assert "checkpoint" not in plain.files() and not plain.resumes and plain.members() == []
    assert isinstance(plain.quick(), ace.Settings) and plain.quick().cutoff == 4.5
    assert settings_of(**BASIS).arguments() | {"environment": None} == {
        "functions": 8, "cutoff": 4.0, "n_max": [5, 2], "l_max": [0, 1], "embedding": "finnis-sinclair",
        "optimise_radial": True, "regularisation": 1e-8, "iterations": 1000, "backend": "tensorpot", "batch_size": 20,
        "environment": None,
    }  # fmt: skip
    assert settings_of().weights() == Weights(volume=None)


def test_a_missing_installation_is_said_before_any_job(tmp_path, not_here, monkeypatch):
    with pytest.raises(UserError, match="trainer.kind: pacemaker is not installed"):
        settings_of().check()
    there = environment(tmp_path / "env", pacemaker="", pace_activeset="")
    monkeypatch.setattr("oligopoly.potentials.pace.installed", lambda: False)
    with pytest.raises(UserError, match="trainer.embedding: finnis-sinclair needs a LAMMPS with the ML-PACE"):
        settings_of(environment=there).check()


@pytest.mark.slow
@pytest.mark.parametrize("embedding", ["linear", "finnis-sinclair"])
def test_the_real_pacemaker(tmp_path, backend, embedding):
    frames, held_out = labelled_frames(12), labelled_frames(2, seed=1, periodic=False)
    settings = settings_of(
        embedding=embedding, backend=backend, optimise_radial=embedding != "linear", iterations=5,
        environment=ENVIRONMENT, **BASIS,
    )  # fmt: skip
    folder = tmp_path / "potential"
    manifest = train(settings, frames, held_out, folder)
    assert manifests.read(folder / "manifest.json") == manifest
    assert (manifest.kind, manifest.species) == ("ace" if embedding == "linear" else "pace", ["C", "H"])
    assert sorted(manifest.sha256) == ["potential.asi", "potential.yace", "potential.yaml"]
    result = json.loads((folder / "metrics.json").read_text())
    # what pacemaker says of itself agrees with what the finished files give
    assert result["pacemaker"]["force_rmse_meV_A"] == pytest.approx(
        result["train"]["all"]["force_rmse_meV_A"], rel=1e-6
    )
    assert result["pacemaker"]["energy_rmse_meV_atom"] == pytest.approx(
        result["train"]["all"]["energy_rmse_meV_atom"], rel=1e-6
    )
    assert result["train"]["all"]["pressure_rmse_bar"] > 0
    assert result["test"]["all"]["frames"] == 2
    assert not list((folder / "potential.pacemaker").glob("*.gzip"))

    basis = read_yaml(folder / "potential.yaml", linear_only=False)
    assert result["E0_eV"] == basis.E0
    active = active_set.ActiveSet.read(folder / "potential.asi")
    design = Design(basis)
    for element in ("C", "H"):
        rows = np.concatenate([design.projections(atoms)[element] for atoms in frames])
        assert 0.99 < active.gamma(element, rows).max() < 1.1

    potential = open_potential(folder / "manifest.json")
    kinds = {bare(folder / name).kind for name in ("potential.yaml", "potential.yace")}
    assert kinds == {"ace" if embedding == "linear" else "pace"}
    if embedding == "linear" or installed():
        with np.load(folder / "predictions.npz") as stored:
            for key, values in parity(frames, potential.predict(frames)).items():
                np.testing.assert_allclose(values, stored[f"train_{key}"], rtol=1e-6, atol=1e-8)
    else:
        with pytest.raises(UserError, match="ML-PACE"):
            list(potential.predict(frames))
