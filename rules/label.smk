# Reference energies and forces, through the store: nothing is ever computed twice.


rule label:
    input:
        chunk=f"{RUN}/gen_{{gen}}/selection/{{chunk}}.extxyz",
        data=expand(rules.build.output.data, system=TRAINED),
        systems=expand(rules.build.output.system, system=TRAINED),
    output:
        labelled=f"{RUN}/gen_{{gen}}/labels/{{chunk}}.extxyz",
        outcomes=f"{RUN}/gen_{{gen}}/labels/{{chunk}}.outcomes.tsv",
    log:
        f"{RUN}/logs/label/{{gen}}.{{chunk}}.log",
    benchmark:
        f"{RUN}/benchmarks/label/{{gen}}.{{chunk}}.tsv"
    params:
        # The level of theory and what is accepted of it; nothing else may cause a rerun.
        labeler=cfg.label.labeler.model_dump(),
        limits=cfg.label.model_dump(include={"min_distance", "max_force", "max_net_force"}),
        store=cfg.label.store,
        names=TRAINED,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Labelling chunk {wildcards.chunk} of generation {wildcards.gen}"
    script:
        "../scripts/label.py"
