"""A run folder with synthetic but physical results, to test the report on."""

import json

import numpy as np
import yaml

from oligopoly.properties import linear_response, msd, rdf

WALKERS = {"npt": 15.0, "npt-hot": 6.0, "compress": 6.0, "nvt-hot": 6.0}


def write(run, generations=4):
    """Write `results/{run}` as a finished run leaves it."""
    rng = np.random.default_rng(7)
    config = {
        "run": run.name,
        "seed": 20,
        "systems": {"hexane": {"role": "train"}, "dodecane": {"role": "transfer"}},
        "explore": {"gamma_select": 1.5, "gamma_break": 10.0},
        "assess": {"force_rmse_percent": 8.0, "density_shift_percent": 4.0},
    }
    _text(run / "config.yaml", yaml.safe_dump(config))
    for g in range(generations):
        _generation(run / f"gen_{g:03d}", g, g == generations - 1, rng)
    for system, mean, shift, role in (("dodecane", 0.735, 1.2, "transfer"), ("hexane", 0.637, -1.6, "train")):
        _production(run, system, mean, shift, role, rng)
    _scan(run / "final" / "contact_scan.hexane.json", rng)
    provenance = {
        "git_commit": "f" * 40,
        "seed": 20,
        "sha256": {"potential.yaml": "ab" * 32, "potential.yace": "cd" * 32},
        "versions": {"oligopoly": "0.1.0", "numpy": "2.4.6"},
    }
    _text(run / "final" / "provenance.json", json.dumps(provenance))
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
    for stage, job, seconds in (("build", "hexane", 5), ("equilibrate", "hexane", 31), ("fit", "000", 14),
                                ("fit", "001", 16), ("produce", "hexane.ace", 140), ("final", "", 1)):  # fmt: skip
        path = run / "benchmarks" / (f"{stage}/{job}.tsv" if job else f"{stage}.tsv")
        _text(path, f"{header}\n{seconds}\t0:00:{seconds}\t{80 + seconds}\tNA\t-\t1\t1\t1\t98\t{seconds}\n")


def _text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _errors(force, n=60):
    return {
        "frames": n, "force_rmse_meV_A": force, "force_rmse_percent": force / 8.3,
        "energy_rmse_meV_atom": force / 90, "pressure_rmse_bar": force * 5,
    }  # fmt: skip


def _generation(folder, g, last, rng):
    force = 45 + 40 * np.exp(-g)
    kinds = {"bulk": _errors(force * 1.05, 40), "cluster": _errors(force * 0.8, 20)}
    metrics = {
        "train": {"all": _errors(force * 0.85, 200 + 40 * g), "by_config_type": {}},
        "test": {"all": _errors(force), "by_config_type": kinds},
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
    rows = ["candidate\tsystem\tsampler\tstep\tscore\tchosen\tchunk\treason"]
    for k in range(120):
        reason, chosen = (
            ("3 atoms enter the active set; stopped a run: gamma_break, 20 fs later: C3", 1) if k < 4
            else (f"{1 + k % 5} atoms enter the active set", 1) if k < 30
            else ("audit (below gamma_select)", 1) if k < 42
            else ("adds nothing: no atom enters the active set", 0) if k < 80
            else ("below gamma_select", 0)
        )  # fmt: skip
        rows.append(f"hexane.npt/c/{k}\thexane\tnpt\t{k}\t{3 - k / 50:.4f}\t{chosen}\t{k % 2}\t{reason}")
    _text(folder / "selection" / "ledger.tsv", "\n".join(rows) + "\n")
    rows = ["key\tframe\toutcome\treason\tseconds\treused"]
    rows += [f"{k:x}\thexane/gen_000/npt/{k}\tlabelled\t\t0.012\t{int(k < 5)}" for k in range(40)]
    rows.append("ff\thexane/gen_000/npt/99\tforce too large\tforce of 70.1 eV/A on atom 3\t0.012\t0")
    _text(folder / "labels" / "outcomes.tsv", "\n".join(rows) + "\n")
    if g:
        for k, (walker, planned) in enumerate(WALKERS.items()):
            here = folder / "explore" / f"hexane.{walker}"
            stopped = g == 1 and k > 1
            time = planned * (0.3 if stopped else 1)
            stop = {
                "outcome": "gamma_break" if stopped else "completed", "step": int(time * 1000),
                "time_fs": 1000 * time, "atoms": [3], "value": 11.2, "planned_fs": 1000 * planned,
                "reason": "the extrapolation grade of C3 is 11.2, above 10" if stopped else "ran to its end",
            }  # fmt: skip
            _text(here / "stop.json", json.dumps(stop))
            np.savez(here / "gamma.npz", gamma_max=(1.2 + 1.5 / g) * rng.lognormal(0, 0.35, 300))
    criteria = [
        {"name": "force error on held-out frames", "value": force / 8.3, "error": None, "limit": 8.0,
         "unit": "%", "passed": bool(force / 8.3 < 8)},
        {"name": "density shift of hexane", "value": 4 * np.exp(-g), "error": 0.6, "limit": 4.0,
         "unit": "%", "passed": True},
    ]  # fmt: skip
    assess = {
        "generation": g, "converged": last, "decision": "last generation" if last else "go on",
        "reasons": ["every criterion holds" if last else "the force error is too large"],
        "criteria": criteria,
        "fresh_errors": _errors(force * (1 + 2 * np.exp(-g))) if g else None,
        "audit": {"n": 12, "wrong": 1, "share": 1 / 12, "low": 0.002, "high": 0.385, "threshold": 0.5} if g else None,
        "md": {"runs": 4, "completed": 2 if g == 1 else 4, "outcomes": {}} if g else None,
        "linear_response": {"hexane": {"forward": -0.2 * np.exp(-g), "forward_error": 0.01, "backward": None}},
    }  # fmt: skip
    _text(folder / "assess.json", json.dumps(assess))


def _ar1(mean, sigma, phi, n, rng):
    x = np.zeros(n)
    x[0] = rng.normal()
    for k in range(1, n):
        x[k] = phi * x[k - 1] + np.sqrt(1 - phi**2) * rng.normal()
    return mean + sigma * x


def _production(run, system, mean, shift, role, rng):
    from oligopoly.properties import density as densities

    measured = {}
    for engine, value in (("reference", mean), ("ace", mean * (1 + shift / 100))):
        series = _ar1(value, 0.03 * value, 0.95, 500, rng)
        time = np.arange(500) * 0.15
        rows = "".join(f"{k}\t{t}\t{d}\n" for k, (t, d) in enumerate(zip(time, series, strict=True)))
        _text(run / "produce" / system / engine / "npt" / "thermo.tsv", "step\ttime_ps\tdensity_g_cm3\n" + rows)
        measured[engine] = densities.measure(time, series)
    deviation = 100 * (measured["ace"]["value"] / measured["reference"]["value"] - 1)
    sigma = 100 * np.hypot(measured["ace"]["error"], measured["reference"]["error"]) / mean
    tolerance = 4.0 if role == "train" else 6.0
    slope = {"value": shift / 100, "error": 0.012, "warning": None}
    result = {
        "system": system, "role": role, "temperature_K": 300.0, "chains": 10, "atoms": 200,
        "degree_of_polymerisation": 3, "repeat_unit": "*CC*",
        "stability": {"completed": True, "reference_completed": True, "reference": {}, "ace": {}},
        "density": {**measured, "deviation_percent": deviation, "sigma_percent": sigma,
                    "tolerance_percent": tolerance, "sigmas": 2.0, "allowed_percent": tolerance + 2 * sigma,
                    "passed": bool(abs(deviation) < tolerance + 2 * sigma)},
        "linear_response": linear_response.shift(slope, slope | {"value": shift / 80}),
        **_structure(rng),
        "sentences": ["Every run went to its end.", "The density agrees."],
    }  # fmt: skip
    result["passed"] = result["density"]["passed"]
    _text(run / "properties" / f"{system}.json", json.dumps(result))


def _structure(rng, frames=60, chains=12, length=16.0):
    """Zigzag chains CH-CH-CH thrown at random that diffuse: everything measured for real."""
    shape = np.array([[0, 0, 0], [0.6, 0.9, 0], [1.3, 0, 0], [1.9, -0.9, 0], [2.6, 0, 0], [3.2, 0.9, 0]])
    numbers = np.tile([6, 1], 3 * chains)
    molecules, units = np.repeat(np.arange(chains), 6), np.tile(np.repeat([0, 1, 2], 2), chains)
    masses = np.where(numbers == 6, 12.011, 1.008)
    cells = np.tile(np.eye(3) * length, (frames, 1, 1))
    curves, dynamics = {}, {}
    for engine in ("reference", "ace"):
        start = rng.uniform(0, length, (1, chains, 1, 3))
        walk = start + np.cumsum(rng.normal(0, 0.15, (frames, chains, 1, 3)), axis=0)
        inner = _ar1(0, 0.2, 0.9, frames * 0 + 60, rng)[:, None, None, None]
        shake = rng.normal(0, 0.05, (frames, chains, 6, 3))
        positions = (walk + shape * (1 + 0.02 * inner) + shake).reshape(frames, -1, 3)
        curves[engine] = rdf.pair_distributions(positions, cells, numbers, molecules)
        times = np.arange(frames) * 150.0
        dynamics[engine] = msd.displacements(positions, cells, times, masses, molecules, units)
    r = curves["reference"]["r_A"]
    pairs = {
        pair: {
            kind: {"reference": one, "ace": curves["ace"]["pairs"][pair][kind]}
            | rdf.difference(r, one, curves["ace"]["pairs"][pair][kind], kind == "intra")
            for kind, one in kinds.items()
        }
        for pair, kinds in curves["reference"]["pairs"].items()
    }
    size = {"value": 4.1, "error": 0.02}
    chain = {e: {"gyration_A2": size, "end_to_end_A2": size} for e in ("reference", "ace")}
    return {"rdf": {"r_A": r, "pairs": pairs}, "msd": dynamics, "structure": chain}


def _scan(path, rng):
    distance = np.linspace(1.5, 6, 60)
    pairs = []
    for _ in range(6):
        size = rng.uniform(2.5, 2.9)
        energy = 0.05 * ((size / distance) ** 9 - 2 * (size / distance) ** 6)
        ace = energy * rng.normal(1, 0.05)
        pairs.append({"distances": distance.tolist(), "reference_eV": energy.tolist(), "ace_eV": ace.tolist()})
    _text(path, json.dumps({"system": "hexane", "pairs": pairs}))
