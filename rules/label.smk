# Reference energies and forces, through the store: nothing is ever computed twice.

# A job that leaves structures (its time was up, a code crashed or lacked memory) is started again this often, with more
# time and memory; what it has done is in the store. The last attempt goes on without them.
LABEL_RETRIES = 2


# With `--sdm conda`, these labelers' programs come in environments of their own.
LABELER = cfg.label.labeler.kind
LABEL_ENVIRONMENT = LABELER if LABELER in ("psi4", "espresso", "cp2k") else "oligopoly"


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
        limits=cfg.label.model_dump(include=LIMITS),
        store=cfg.label.store,
        names=TRAINED,
    # By the Snakemake that submits, not by the one on the node: that would try again with the same time and memory.
    retries: LABEL_RETRIES if workflow.is_main_process else 0
    resources:
        runtime=asked_of_label(0),
        mem_mb=asked_of_label(1),
        last_attempt=lambda wildcards, attempt: int(attempt > LABEL_RETRIES),
    conda:
        f"../envs/{LABEL_ENVIRONMENT}.yaml"
    message:
        "Labelling chunk {wildcards.chunk} of generation {wildcards.gen}"
    script:
        "../scripts/label.py"


# On request: every label of this run's level of theory that is in the store, by whatever run.
rule export_labels:
    input:
        outcomes=of_every_generation("labels/outcomes.tsv"),
        data=expand(rules.build.output.data, system=TRAINED),
        systems=expand(rules.build.output.system, system=TRAINED),
    output:
        labels=f"{RUN}/labels.extxyz",
    log:
        f"{RUN}/logs/export_labels.log",
    benchmark:
        f"{RUN}/benchmarks/export_labels.tsv"
    params:
        labeler=cfg.label.labeler.model_dump(),
        store=cfg.label.store,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Exporting all labels of the store"
    script:
        "../scripts/export_labels.py"
