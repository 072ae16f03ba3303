# From SMILES to an equilibrated box.


rule build:
    output:
        data=f"{RUN}/systems/{{system}}/built.data",
        system=f"{RUN}/systems/{{system}}/system.json",
    log:
        f"{RUN}/logs/build/{{system}}.log",
    benchmark:
        f"{RUN}/benchmarks/build/{{system}}.tsv"
    params:
        system=lambda w: cfg.systems[w.system].model_dump(
            include={"repeat_unit", "end_groups", "degree_of_polymerisation", "chains"}
        ),
        charges=cfg.force_field.charges,
        seed=cfg.seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Building the box of {wildcards.system} from its repeat unit"
    script:
        "../scripts/build.py"


rule equilibrate:
    input:
        data=rules.build.output.data,
        system=rules.build.output.system,
    output:
        data=f"{RUN}/systems/{{system}}/equilibrated.data",
        summary=f"{RUN}/systems/{{system}}/equilibration.json",
        thermo=f"{RUN}/systems/{{system}}/equilibration.tsv",
    log:
        f"{RUN}/logs/equilibrate/{{system}}.log",
    benchmark:
        f"{RUN}/benchmarks/equilibrate/{{system}}.tsv"
    params:
        settings=lambda w: cfg.equilibration.arguments(cfg.systems[w.system]),
        seed=cfg.seed,
    resources:
        **on(cfg.cluster.sampling),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Equilibrating {wildcards.system} by 21-step compression and decompression"
    script:
        "../scripts/equilibrate.py"
