# Long MD of every system with the final potential and, to compare, with the reference.


rule produce:
    input:
        potential=lambda w: [] if w.engine == "reference" else [f"{RUN}/final/{n}" for n in POTENTIAL],
        data=rules.equilibrate.output.data,
        system=rules.build.output.system,
    output:
        npt=f"{RUN}/produce/{{system}}/{{engine}}/npt/trajectory.extxyz",
        npt_thermo=f"{RUN}/produce/{{system}}/{{engine}}/npt/thermo.tsv",
        nvt=f"{RUN}/produce/{{system}}/{{engine}}/nvt/trajectory.extxyz",
        nvt_thermo=f"{RUN}/produce/{{system}}/{{engine}}/nvt/thermo.tsv",
        status=f"{RUN}/produce/{{system}}/{{engine}}/status.json",
    log:
        f"{RUN}/logs/produce/{{system}}.{{engine}}.log",
    benchmark:
        f"{RUN}/benchmarks/produce/{{system}}.{{engine}}.tsv"
    params:
        settings=lambda w: cfg.produce.arguments(cfg.systems[w.system]),
        engine=cfg.explore.engine,
        seed=cfg.seed,
    resources:
        **on(cfg.cluster.sampling),
    # The loop goes first; reference production fills the cores it leaves idle.
    priority: -10
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Production MD of {wildcards.system} with {wildcards.engine}"
    script:
        "../scripts/produce.py"
