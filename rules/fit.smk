# Dataset to potential.

# The built-in trainer keeps the R factor of its rows, to which the next generation adds its own.
REFITS_NEW_ROWS_ONLY = cfg.trainer.kind == "ace"
# Drawn from the posterior.
MEMBERS = [
    f"{RUN}/gen_{{gen}}/potential/potential.member_{number + 1:02d}.{suffix}"
    for number in range(getattr(cfg.trainer, "committee", 0))
    for suffix in ("yaml", "yace")
]


rule fit:
    input:
        train=rules.collect.output.train,
        test=rules.collect.output.test,
        before=lambda w: previous(w, "potential/factor.npz") if REFITS_NEW_ROWS_ONLY and w.gen != "000" else [],
    output:
        yaml=f"{RUN}/gen_{{gen}}/potential/potential.yaml",
        yace=f"{RUN}/gen_{{gen}}/potential/potential.yace",
        asi=f"{RUN}/gen_{{gen}}/potential/potential.asi",
        metrics=f"{RUN}/gen_{{gen}}/potential/metrics.json",
        predictions=f"{RUN}/gen_{{gen}}/potential/predictions.npz",
        members=MEMBERS,
        **({"factor": f"{RUN}/gen_{{gen}}/potential/factor.npz"} if REFITS_NEW_ROWS_ONLY else {}),
    log:
        f"{RUN}/logs/fit/{{gen}}.log",
    benchmark:
        f"{RUN}/benchmarks/fit/{{gen}}.tsv"
    params:
        trainer=cfg.trainer.arguments(),
        weights=cfg.trainer.weights(),
    threads: 1
    resources:
        **on(cfg.cluster.fitting),
    conda:
        "../envs/pacemaker.yaml" if cfg.trainer.kind == "pacemaker" else "../envs/oligopoly.yaml"
    message:
        "Fitting the potential of generation {wildcards.gen}"
    script:
        "../scripts/fit.py"
