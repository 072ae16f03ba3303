# The potential of the last generation, and what is known about it.


rule final:
    input:
        potential=of_last_generation(*(f"potential/{name}" for name in POTENTIAL)),
    output:
        potential=expand(f"{RUN}/final/{{name}}", name=POTENTIAL),
    log:
        f"{RUN}/logs/final.log",
    benchmark:
        f"{RUN}/benchmarks/final.tsv"
    conda:
        "../envs/oligopoly.yaml"
    message:
        "The potential of the last generation is the final one"
    script:
        "../scripts/final.py"


# Apart from `final`, so that a change in the config that left the potential alone runs no MD again.
rule provenance:
    input:
        potential=rules.final.output.potential,
        train=of_last_generation("dataset/train.extxyz"),
        verdicts=of_every_generation("assess.json"),
    output:
        provenance=f"{RUN}/final/provenance.json",
        config=f"{RUN}/config.yaml",
    log:
        f"{RUN}/logs/provenance.log",
    benchmark:
        f"{RUN}/benchmarks/provenance.tsv"
    params:
        config=cfg.model_dump(mode="json"),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Writing down where the final potential came from"
    script:
        "../scripts/provenance.py"


rule contact_scan:
    input:
        potential=f"{RUN}/final/potential.yaml",
        liquid=f"{RUN}/systems/{{system}}/reference/{LIQUID}/trajectory.extxyz",
        data=rules.build.output.data,
        system=rules.build.output.system,
    output:
        scan=f"{RUN}/final/contact_scan.{{system}}.json",
    log:
        f"{RUN}/logs/contact_scan/{{system}}.log",
    benchmark:
        f"{RUN}/benchmarks/contact_scan/{{system}}.tsv"
    params:
        labeler=cfg.label.labeler.model_dump(),
        limits=cfg.label.model_dump(include=LIMITS),
        store=cfg.label.store,
        # A method that takes minutes is asked at every third distance of a few pairs.
        settings=cfg.pool.contacts.model_dump()
        if REFERENCE_IS_FORCE_FIELD
        else {
            "pairs": min(2, cfg.pool.contacts.pairs),
            "max_energy": cfg.pool.contacts.max_energy,
            "every": 3,
        },
        seed=cfg.seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Pushing pairs of {wildcards.system} together to look for holes"
    script:
        "../scripts/contact_scan.py"
