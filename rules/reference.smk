# MD with the reference force field at the state points that generation 0 is drawn from.


rule reference:
    input:
        data=rules.equilibrate.output.data,
        system=rules.build.output.system,
    output:
        trajectory=f"{RUN}/systems/{{system}}/reference/{{state}}/trajectory.extxyz",
        thermo=f"{RUN}/systems/{{system}}/reference/{{state}}/thermo.tsv",
    log:
        f"{RUN}/logs/reference/{{system}}.{{state}}.log",
    benchmark:
        f"{RUN}/benchmarks/reference/{{system}}.{{state}}.tsv"
    params:
        conditions=lambda w: cfg.reference.conditions(
            cfg.reference.states[w.state], cfg.systems[w.system]
        ),
        volume_ratio=lambda w: cfg.reference.states[w.state].volume_ratio,
        duration=lambda w: cfg.reference.states[w.state].duration,
        sample_every=cfg.reference.sample_every,
        settle=cfg.reference.settle,
        seed=cfg.seed,
    resources:
        **on(cfg.cluster.sampling),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Reference MD of {wildcards.system} at state point {wildcards.state}"
    script:
        "../scripts/reference.py"
