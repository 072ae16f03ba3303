# Dataset to potential.


rule fit:
    input:
        train=rules.collect.output.train,
        test=rules.collect.output.test,
    output:
        yaml=f"{RUN}/gen_{{gen}}/potential/potential.yaml",
        yace=f"{RUN}/gen_{{gen}}/potential/potential.yace",
        asi=f"{RUN}/gen_{{gen}}/potential/potential.asi",
        metrics=f"{RUN}/gen_{{gen}}/potential/metrics.json",
        predictions=f"{RUN}/gen_{{gen}}/potential/predictions.npz",
    log:
        f"{RUN}/logs/fit/{{gen}}.log",
    benchmark:
        f"{RUN}/benchmarks/fit/{{gen}}.tsv"
    params:
        trainer=cfg.trainer.arguments(),
        weights=cfg.trainer.weights(),
    threads: 1
    resources:
        slurm_partition=on(cfg.cluster.fitting),
        gpu=gpus(cfg.cluster.fitting),
    conda:
        "../envs/pacemaker.yaml" if cfg.trainer.kind == "pacemaker" else "../envs/oligopoly.yaml"
    message:
        "Fitting the potential of generation {wildcards.gen}"
    script:
        "../scripts/fit.py"
