# What gets a label: the whole pool in generation 0, afterwards what the potential does not know.


rule select_pool:
    input:
        pool=expand(rules.pool.output.frames, system=TRAINED),
    output:
        chunks=expand(f"{RUN}/gen_000/selection/{{chunk}}.extxyz", chunk=CHUNKS),
        ledger=f"{RUN}/gen_000/selection/ledger.tsv",
    log:
        f"{RUN}/logs/select/000.log",
    benchmark:
        f"{RUN}/benchmarks/select/000.tsv"
    params:
        labeler=cfg.label.labeler.model_dump(),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Generation 000: all of the pool is labelled"
    script:
        "../scripts/select_pool.py"


rule select:
    input:
        stops=lambda w: [f"{folder}/stop.json" for folder in walker_folders(w)],
        candidates=lambda w: [f"{folder}/candidates.extxyz" for folder in walker_folders(w)],
        audit=lambda w: [f"{folder}/audit.extxyz" for folder in walker_folders(w)],
        potential=lambda w: previous(w, "potential/potential.yaml"),
        active_set=lambda w: previous(w, "potential/potential.asi"),
        systems=expand(rules.build.output.system, system=TRAINED if cfg.label.clusters_only else []),
    output:
        chunks=expand(f"{RUN}/gen_{{gen}}/selection/{{chunk}}.extxyz", chunk=CHUNKS, allow_missing=True),
        ledger=f"{RUN}/gen_{{gen}}/selection/ledger.tsv",
    wildcard_constraints:
        gen=r"(?!000)\d{3}",
    log:
        f"{RUN}/logs/select/{{gen}}.log",
    benchmark:
        f"{RUN}/benchmarks/select/{{gen}}.tsv"
    params:
        choice=cfg.select.model_dump(),
        molecules=cfg.label.molecules if cfg.label.clusters_only else None,
        labeler=cfg.label.labeler.model_dump(),
        seed=cfg.seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Selecting what is worth a label in generation {wildcards.gen}"
    script:
        "../scripts/select.py"
