# Density, structure and dynamics of ACE against the reference.


rule properties:
    input:
        statuses=expand(
            f"{RUN}/produce/{{system}}/{{engine}}/status.json", engine=ENGINES, allow_missing=True
        ),
        trajectories=expand(
            f"{RUN}/produce/{{system}}/{{engine}}/{{ensemble}}/trajectory.extxyz",
            engine=ENGINES,
            ensemble=["npt", "nvt"],
            allow_missing=True,
        ),
        potential=f"{RUN}/final/potential.yaml",
        data=rules.build.output.data,
        system=rules.build.output.system,
    output:
        properties=f"{RUN}/properties/{{system}}.json",
    log:
        f"{RUN}/logs/properties/{{system}}.log",
    benchmark:
        f"{RUN}/benchmarks/properties/{{system}}.tsv"
    params:
        labeler=cfg.label.labeler.model_dump() if REFERENCE_IS_FORCE_FIELD else None,
        temperature=lambda w: cfg.systems[w.system].temperature,
        role=lambda w: cfg.systems[w.system].role,
        tolerance=lambda w: getattr(
            cfg.produce.density_tolerance_percent, cfg.systems[w.system].role
        ),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Density, g(r) and mean squared displacements of {wildcards.system}"
    script:
        "../scripts/properties.py"
