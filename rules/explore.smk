# MD with the potential of the generation before, until it meets what it does not know.


rule explore:
    input:
        potential=lambda w: previous(w, *(f"potential/{name}" for name in POTENTIAL)),
        start=f"{RUN}/systems/{{system}}/reference/{LIQUID}/trajectory.extxyz",
        system=rules.build.output.system,
    output:
        candidates=f"{RUN}/gen_{{gen}}/explore/{{system}}.{{walker}}/candidates.extxyz",
        audit=f"{RUN}/gen_{{gen}}/explore/{{system}}.{{walker}}/audit.extxyz",
        stop=f"{RUN}/gen_{{gen}}/explore/{{system}}.{{walker}}/stop.json",
        gamma=f"{RUN}/gen_{{gen}}/explore/{{system}}.{{walker}}/gamma.npz",
        thermo=f"{RUN}/gen_{{gen}}/explore/{{system}}.{{walker}}/thermo.tsv",
        trajectory=f"{RUN}/gen_{{gen}}/explore/{{system}}.{{walker}}/trajectory.extxyz",
    log:
        f"{RUN}/logs/explore/{{gen}}.{{system}}.{{walker}}.log",
    benchmark:
        f"{RUN}/benchmarks/explore/{{gen}}.{{system}}.{{walker}}.tsv"
    params:
        conditions=lambda w: cfg.explore.conditions(
            cfg.explore.walkers[w.walker], cfg.systems[w.system]
        ),
        volume_ratio=lambda w: cfg.explore.walkers[w.walker].volume_ratio,
        duration=lambda w: cfg.explore.walkers[w.walker].duration,
        settings=cfg.explore.model_dump(exclude={"walkers", "timestep", "hydrogen_mass"}),
        seed=cfg.seed,
    resources:
        **on(cfg.cluster.sampling),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Exploring {wildcards.system} ({wildcards.walker}) for generation {wildcards.gen}"
    script:
        "../scripts/explore.py"
