# Density, structure and dynamics of ACE against the reference.


rule properties:
    input:
        reference=f"{RUN}/produce/{{system}}/reference/status.json",
        ace=f"{RUN}/produce/{{system}}/ace/status.json",
        trajectories=expand(
            f"{RUN}/produce/{{system}}/{{engine}}/{{ensemble}}/trajectory.extxyz",
            engine=["reference", "ace"],
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
        labeler=cfg.label.labeler.model_dump(),
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
