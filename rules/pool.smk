# Structures of generation 0: periodic frames, clusters, and pairs pushed together.


rule pool:
    input:
        trajectories=expand(
            rules.reference.output.trajectory, state=cfg.reference.states, allow_missing=True
        ),
        data=rules.equilibrate.output.data,
        system=rules.build.output.system,
    output:
        frames=f"{RUN}/gen_000/pool/{{system}}.extxyz",
    log:
        f"{RUN}/logs/pool/{{system}}.log",
    benchmark:
        f"{RUN}/benchmarks/pool/{{system}}.tsv"
    params:
        settings=cfg.pool.model_dump() | {"clusters_only": cfg.label.clusters_only},
        seed=cfg.seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Choosing frames, clusters and contacts of {wildcards.system} for generation 0"
    script:
        "../scripts/pool.py"
