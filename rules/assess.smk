# Does the potential hold? The only checkpoint: its verdict decides whether the loop goes on.


checkpoint assess:
    input:
        metrics=rules.fit.output.metrics,
        potential=rules.fit.output.yaml,
        labels=expand(rules.label.output.labelled, chunk=CHUNKS, allow_missing=True),
        # Only a force field that is itself the reference knows the reference density.
        liquid=expand(
            f"{RUN}/systems/{{system}}/reference/{LIQUID}/{{file}}",
            system=TRAINED if REFERENCE_IS_FORCE_FIELD else [],
            file=["trajectory.extxyz", "thermo.tsv"],
        ),
        before=lambda w: [] if w.gen == "000" else previous(w, "potential/potential.yaml"),
        own_liquid=lambda w: (
            []
            if w.gen == "000" or LIQUID_WALKER is None or not REFERENCE_IS_FORCE_FIELD
            else [
                f"{generation(w.gen)}/explore/{system}.{LIQUID_WALKER}/trajectory.extxyz"
                for system in TRAINED
            ]
        ),
        data=expand(rules.build.output.data, system=TRAINED),
        systems=expand(rules.build.output.system, system=TRAINED),
        stops=lambda w: [] if w.gen == "000" else [f"{f}/stop.json" for f in walker_folders(w)],
    output:
        verdict=f"{RUN}/gen_{{gen}}/assess.json",
    log:
        f"{RUN}/logs/assess/{{gen}}.log",
    benchmark:
        f"{RUN}/benchmarks/assess/{{gen}}.tsv"
    params:
        criteria=cfg.assess.model_dump(),
        labeler=cfg.label.labeler.model_dump(),
        temperatures={name: cfg.systems[name].temperature for name in TRAINED},
        last=LAST,
        limits=cfg.budget.limits(),
        next_labels=cfg.select.budget + cfg.select.audit,
        store=cfg.label.store,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Assessing generation {wildcards.gen}"
    script:
        "../scripts/assess.py"
