# Reference energies and forces, through the store: nothing is ever computed twice.

# A job that leaves structures (its time was up, a code crashed or lacked memory) is started again this often, with more
# time and memory; what it has done is in the store. The last attempt goes on without them.
LABEL_RETRIES = 2


rule label:
    input:
        chunk=lambda w: at(w, layout.CHUNK),
        data=boxes(layout.BUILT),
        systems=boxes(layout.SYSTEM),
    output:
        labelled=out(layout.LABELLED),
        outcomes=out(layout.CHUNK_OUTCOMES),
    log:
        out(layout.log("label")),
    benchmark:
        out(layout.benchmark("label"))
    params:
        # The level of theory and what is accepted of it; nothing else may cause a rerun.
        labeler=lambda w: conf(w).label.labeler.model_dump(),
        limits=lambda w: conf(w).label.model_dump(include=LIMITS),
        store=lambda w: conf(w).label.store,
        names=trained,
    # By the Snakemake that submits, not by the one on the node: that would try again with the same time and memory.
    retries: LABEL_RETRIES if workflow.is_main_process else 0
    resources:
        runtime=asked_of_label(0),
        mem_mb=asked_of_label(1),
        last_attempt=lambda wildcards, attempt: int(attempt > LABEL_RETRIES),
    conda:
        lambda w: f"../envs/{conf(w).label.labeler.conda}.yaml"
    message:
        "Labelling chunk {wildcards.chunk} of generation {wildcards.gen}"
    script:
        "../scripts/label.py"


# On request: every label of this run's level of theory that is in the store, by whatever run.
rule export_labels:
    input:
        outcomes=of_every_generation(layout.OUTCOMES),
        data=boxes(layout.BUILT),
        systems=boxes(layout.SYSTEM),
    output:
        labels=out(layout.LABELS),
    log:
        out(layout.log("export_labels")),
    benchmark:
        out(layout.benchmark("export_labels"))
    params:
        labeler=lambda w: conf(w).label.labeler.model_dump(),
        store=lambda w: conf(w).label.store,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Exporting all labels of the store"
    script:
        "../scripts/export_labels.py"
