"""A run folder with synthetic but physical results, to test the report and studies on; production is measured."""

import json
import re

import numpy as np
import yaml

from oligopoly.config.production import Properties
from oligopoly.md.simulation import Sample
from oligopoly.md.trajectory import writers
from oligopoly.properties.compare import compare
from oligopoly.properties.density import GRAM_PER_CM3
from oligopoly.properties.linear_response import BOLTZMANN
from oligopoly.selectors.ledger import HEADER

WALKERS = {"npt": 15.0, "npt-hot": 6.0, "compress": 6.0, "nvt-hot": 6.0}
UNCERTAINTY = {"gamma": {"kind": "gamma", "select": 1.5, "stop": 10.0},
               "committee": {"kind": "committee", "select": "120 meV/A", "stop": "1.5 eV/A"}}  # fmt: skip
SYSTEMS = (("dodecane", 0.735, 1.2, "transfer"), ("hexane", 0.637, -0.9, "train"))
CHAINS, CARBONS, FRAMES, SPACING = 30, 6, 100, 0.6  # ps


def write(run, generations=4, *, kind="gamma", seed=7, factor=1.0, compared=True, production=True):
    """Write `results/{run}` as a finished run leaves it. factor: of all errors; production: also MD of the liquids,
    `compared` with a reference."""
    rng = np.random.default_rng(seed)
    config = {
        "run": run.name,
        "seed": 20,
        "systems": {"hexane": {"role": "train"}, "dodecane": {"role": "transfer"}},
        "trainer": {"kind": "ace"},
        "explore": {"uncertainty": UNCERTAINTY[kind]},
        "assess": {"force_rmse_percent": 8.0, "density_shift_percent": 4.0},
    }
    _text(run / "config.yaml", yaml.safe_dump(config))
    for g in range(generations):
        _generation(run / f"gen_{g:03d}", g, g == generations - 1, kind, factor, rng)
    for system, density, shift, role in SYSTEMS if production else ():
        _production(run, system, density, shift, role, compared, rng)
    _scan(run / "final" / "contact_scan.hexane.json", rng)
    provenance = {
        "files": {"potential.yaml": "ab" * 32, "potential.yace": "cd" * 32},
        "potential": {"kind": "ace", "species": ["C", "H"], "cutoff_A": 4.5},
        "generation": generations - 1,
        "decision": "last generation",
        "reasons": [],
        "training_set": {"file": "train.extxyz", "sha256": "ef" * 32, "origins": {"hexane, generation 0": 200}},
        "seed": 20,
        "oligopoly": "0.1.0",
        "git_commit": "f" * 40,
        "packages": {"oligopoly": "0.1.0", "numpy": "2.4.6"},
        "machine": "x86_64, Linux",
    }
    _text(run / "final" / "provenance.json", json.dumps(provenance))
    header = "s\th:m:s\tmax_rss\tmean_load\tcpu_time\tthreads\tresources"
    jobs = {"build/hexane": 5, "equilibrate/hexane": 31, "fit/000": 14, "fit/001": 16, "produce/hexane.learned.1": 140,
            "final": 1}  # fmt: skip
    for job, seconds in jobs.items():
        path = run / "benchmarks" / f"{job}.tsv"
        _text(path, f"{header}\n{seconds}\t0:00:{seconds}\t{80 + seconds}\t98\t{seconds}\t2\t{{'_cores': 2}}\n")


def _text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _errors(force, n=60):
    return {
        "frames": n, "atoms": 20 * n, "force_rmse_meV_A": force, "force_mae_meV_A": 0.7 * force,
        "force_max_meV_A": 12 * force,
        "force_rms_meV_A": 830.0, "force_rmse_percent": force / 8.3, "energy_rmse_meV_atom": force / 90,
        "energy_mae_meV_atom": force / 120, "pressure_rmse_bar": force * 5, "pressure_bias_bar": force,
    }  # fmt: skip


def _generation(folder, g, last, kind, factor, rng):
    force = factor * (45 + 40 * np.exp(-g))
    kinds = {"bulk": _errors(force * 1.05, 30), "cluster": _errors(force * 0.8, 20), "contact": _errors(2 * force, 10)}
    sets = {"liquid": 0.7, "hard MD": 1.1, "clusters": 0.8, "contacts": 2.0} | ({"exploration": 1.2} if g else {})
    sets = {name: _errors(force * times, 12) for name, times in sets.items()}
    metrics = {
        "train": {"all": _errors(force * 0.85, 200 + 40 * g), "by_config_type": {}, "by_test_set": {}},
        "test": {"all": _errors(force), "by_config_type": kinds, "by_test_set": sets},
        "calibration": {
            "frames": 30,
            "factors_from": "30 held-out frames",
            "force_factor": 6.5,
            "energy_factor": 9.0,
            "force": {
                "predicted": [20.0, 40.0, 90.0],
                "true": [22.0, 37.0, 95.0],
                "ratio": 1.02,
                "within": [0.7, 0.94],
            },
        },
    }
    _text(folder / "potential" / "metrics.json", json.dumps(metrics))
    reference = {
        "energy": rng.normal(-3, 0.008, 60),
        "force": rng.normal(0, 0.85, 9000),
        "pressure": rng.normal(0, 3000, 40),
    }
    noise = {"energy": force / 90000, "force": force / 1000, "pressure": force * 5}
    arrays = {}
    for key, values in reference.items():
        arrays[f"test_{key}_reference"] = values
        arrays[f"test_{key}_predicted"] = values + rng.normal(0, noise[key], len(values))
    np.savez(folder / "potential" / "predictions.npz", **arrays)
    frames = []
    for old in range(g + 1):
        frames += [
            f"1\nProperties=species:S:1:pos:R:3 origin_system=hexane origin_generation={old} "
            f'origin_sampler="npt-{k % 3}" origin_step={k} pbc="F F F"\nH 0 0 0\n'
            for k in range(40 if old else 200)
        ]
    _text(folder / "dataset" / "train.extxyz", "".join(frames))
    _text(folder / "dataset" / "test.extxyz", "".join(frames[:50]))
    _ledger(folder, kind, g)
    if g:
        for k, (walker, planned) in enumerate(WALKERS.items()):
            _walker(folder / "explore" / f"hexane.{walker}", kind, planned, g == 1 and k > 1, g, rng)
    criteria = [
        {"code": "held_out_forces", "name": "held-out force error", "value": force / 8.3, "error": None, "limit": 8.0,
         "unit": "%", "passed": bool(force / 8.3 < 8), "sentence": ""},
        {"code": "audit", "name": "audit of frames not selected", "value": 1 / 12, "error": 0.03, "limit": 0.1,
         "unit": "share", "passed": True, "sentence": ""},
        {"code": "density_shift", "name": "density of hexane by linear response", "value": 4 * np.exp(-g),
         "error": 0.6, "limit": 4.0, "unit": "%", "passed": True, "sentence": ""},
    ]  # fmt: skip
    assess = {
        "generation": g, "converged": last, "decision": "last generation" if last else "go on",
        "reasons": ["every criterion holds" if last else "the force error is too large"],
        "criteria": criteria,
        "fresh_errors": _errors(force * (1 + 2 * np.exp(-g))) if g else None,
        "audit": {"n": 12, "wrong": 1, "share": 1 / 12, "low": 0.002, "high": 0.385, "threshold_eV_A": 0.5}
        if g else None,
        "md": {"runs": 4, "completed": 2 if g == 1 else 4, "outcomes": {}, "ends": {}} if g else None,
        "linear_response": {"hexane": {"forward": -0.2 * np.exp(-g), "forward_error": 0.01, "backward": None}},
    }  # fmt: skip
    _text(folder / "assess.json", json.dumps(assess))


def _ledger(folder, kind, g):
    rows = ["\t".join(HEADER)]
    for k in range(120):
        code, reason, chosen = (
            (f"stopped.{kind}_break", f"stopped a run: {kind}_break, 20 fs later: C3", 1) if k < 4
            else ("enters_active_set", f"{1 + k % 5} atoms enter the active set", 1) if k < 30
            else ("audit", "random audit", 1) if k < 42
            else ("known", "no atom enters the active set", 0) if k < 80
            else ("below_threshold", "below the threshold of exploration", 0)
        )  # fmt: skip
        rows.append(f"hexane.npt/c/{k}\thexane\tnpt\t{k}\t{3 - k / 50:.4f}\t{chosen}\t{k % 2}\t{code}\t{reason}")
    _text(folder / "selection" / "ledger.tsv", "\n".join(rows) + "\n")
    rows = ["key\tframe\toutcome\treason\tseconds\treused\tattempts"]
    rows += [f"{k:x}\thexane/gen_{g:03d}/npt/{k}\tlabelled\t\t0.012\t{int(k < 5)}\t1" for k in range(40)]
    rows.append(f"ff\thexane/gen_{g:03d}/npt/99\tforce too large\tforce of 70.1 eV/A on atom 3\t0.012\t0\t1")
    for name in ("0.outcomes.tsv", "outcomes.tsv"):
        _text(folder / "labels" / name, "\n".join(rows) + "\n")


def _walker(folder, kind, planned, stopped, g, rng):
    time = planned * (0.3 if stopped else 1)
    scale, what = (1.0, "the extrapolation grade of C3 is 11.2, above 10") if kind == "gamma" else (
        0.08, "the committee deviation of C3 is 1.7, above 1.5 eV/A")  # fmt: skip
    stop = {
        "outcome": f"{kind}_break" if stopped else "completed", "step": int(time * 1000),
        "time_fs": 1000 * time, "atoms": [3] if stopped else [], "value": 11.2 if stopped else None,
        "reason": what if stopped else "ran to its end", "checks": 300, "candidates": 20, "score_kind": kind,
        "score_max": 11.2 * scale, "planned_fs": 1000 * planned,
    }  # fmt: skip
    _text(folder / "stop.json", json.dumps(stop))
    largest = scale * (1.2 + 1.5 / g) * rng.lognormal(0, 0.35, 300)
    np.savez(folder / "scores.npz", kind=np.array(kind), largest=largest, step=np.arange(300.0))


def _production(run, system, density, shift, role, compared, rng):
    """MD of chains in vacuum-like order that moves as fast as it likes, in boxes whose volume fluctuates."""
    numbers = np.tile([1] + [6] * CARBONS + [1], CHAINS)
    size = CARBONS + 2
    bonds = [[k * size + j, k * size + j + 1] for k in range(CHAINS) for j in range(size - 1)]
    masses = np.where(numbers == 6, 12.011, 1.008)
    described = {
        "numbers": numbers.tolist(), "molecules": np.repeat(np.arange(CHAINS), size).tolist(),
        "repeat_units": np.tile(np.repeat(np.arange(size // 2), 2), CHAINS).tolist(), "bonds": bonds,
        "masses": masses.tolist(), "degree_of_polymerisation": 3, "repeat_unit": "*CC*",
        "end_groups": ["*[H]", "*[H]"],
    }  # fmt: skip
    _text(run / "systems" / system / "system.json", json.dumps(described))
    engines = {"reference": density, "learned": density * (1 + shift / 100)}
    if not compared:
        del engines["reference"]
    sigma = 0.02
    for engine, value in engines.items():
        folder = run / "produce" / system / engine / "1"
        for ensemble in ("npt", "nvt"):
            densities = _ar1(value, sigma * value if ensemble == "npt" else 0, 0.5, FRAMES, rng)
            volumes = masses.sum() * GRAM_PER_CM3 / densities
            _trajectory(folder / ensemble, numbers, masses, volumes, rng)
        ends = {"outcome": "completed", "step": 1, "time_fs": 1.0, "reason": "ran to its end", "planned_fs": 1.0}
        _text(folder / "status.json", json.dumps({"npt": ends, "nvt": ends}))
    volume = masses.sum() * GRAM_PER_CM3 / density
    # what moves the density by `shift` in linear response, and one chain by what the torsion costs
    slope = shift / 100 * BOLTZMANN * 300 / (sigma**2 * volume)

    def learned(frames):
        return [slope * a.get_volume() if a.pbc.any() else 1.1 * _torsion(a) for a in frames]

    def reference(frames):
        return [0.0 if a.pbc.any() else _torsion(a) for a in frames]

    compare(
        {engine: [run / "produce" / system / engine / "1"] for engine in engines},
        {"npt": "npt", "nvt": "nvt"},
        run / "systems" / system / "system.json",
        run / "properties" / f"{system}.json",
        properties=Properties().chosen({"npt", "nvt"}),
        temperature=300.0,
        role=role,
        energies={"learned": learned} | ({"reference": reference} if compared else {}),
    )


def _torsion(chain):
    """eV, of the torsion that is turned."""
    middle = 2 + (CARBONS - 3) // 2 - 1
    return 0.07 * (1 + np.cos(3 * np.radians(chain.get_dihedral(*range(middle, middle + 4)))))


def _ar1(mean, sigma, phi, n, rng):
    x = np.zeros(n)
    x[0] = rng.normal()
    for k in range(1, n):
        x[k] = phi * x[k - 1] + np.sqrt(1 - phi**2) * rng.normal()
    return mean + sigma * x


def _trajectory(folder, numbers, masses, volumes, rng):
    """Chains whose torsions are new in every frame, two thirds of them trans, and which diffuse."""
    lengths = np.cbrt(volumes)
    walk = rng.uniform(0, lengths[0], (CHAINS, 3)) + np.cumsum(rng.normal(0, 1.5, (FRAMES, CHAINS, 3)), axis=0)
    with writers(folder, numbers, masses, True) as (frames, thermo):
        for k, length in enumerate(lengths):
            shape = _chains(rng)
            positions = (walk[k][:, None] + shape).reshape(-1, 3)
            sample = Sample(k, 1000 * SPACING * k, positions, np.eye(3) * length, 300.0, 1.0, -1.0, 1.0)
            frames.write(sample)
            thermo.write(sample)


def _chains(rng, bond=1.53, angle=112.0):
    """Positions (CHAINS, CARBONS + 2, 3) of chains with random torsions, turned at random."""
    torsions = rng.choice([180.0, 65.0, -65.0], p=[2 / 3, 1 / 6, 1 / 6], size=(CHAINS, CARBONS - 1))
    torsions = np.radians(torsions + rng.normal(0, 12, torsions.shape))
    turn = np.linalg.qr(rng.normal(size=(CHAINS, 3, 3)))[0]
    points = [np.zeros((CHAINS, 3)), bond * turn[:, 0]]
    bend = np.radians(angle)
    points.append(points[1] + bond * (-np.cos(bend) * turn[:, 0] + np.sin(bend) * turn[:, 1]))
    for k in range(CARBONS - 1):
        a, b, c = points[-3:]
        along = (c - b) / bond
        normal = np.cross(b - a, along)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        side = np.cross(normal, along)
        phi = torsions[:, k, None]
        step = -np.cos(bend) * along + np.sin(bend) * (np.cos(phi) * side + np.sin(phi) * normal)
        points.append(c + bond * step)
    return np.stack(points, axis=1)


def _scan(path, rng):
    distance = np.linspace(1.5, 6, 60)
    pairs = []
    for _ in range(6):
        size = rng.uniform(2.5, 2.9)
        energy = 0.05 * ((size / distance) ** 9 - 2 * (size / distance) ** 6)
        learned = energy * rng.normal(1, 0.05)
        pairs.append({"distances": distance.tolist(), "reference_eV": energy.tolist(), "learned_eV": learned.tolist()})
    _text(path, json.dumps({"system": "hexane", "pairs": pairs}))


def words(content):
    """What people read, without figures and tags."""
    bare = re.sub(r'src="data:[^"]*"', "", content)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", bare)).replace("\u00a0", " ")
