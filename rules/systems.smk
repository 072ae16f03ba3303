# From SMILES to an equilibrated box.


rule build:
    input:
        lambda w: conf(w).force_field.inputs(conf(w).systems[layout.system_of(w.box)]),
    output:
        data=out(layout.BUILT),
        system=out(layout.SYSTEM),
    log:
        out(layout.log("build")),
    benchmark:
        out(layout.benchmark("build"))
    params:
        system=lambda w: conf(w).systems[layout.system_of(w.box)].model_dump(
            include={"repeat_unit", "end_groups", "degree_of_polymerisation", "tacticity", "chains", "data"}
        ),
        force_field=lambda w: conf(w).force_field.model_dump(),
        seed=lambda w: conf(w).seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Building the box of {wildcards.box}"
    script:
        "../scripts/build.py"


rule equilibrate:
    input:
        data=lambda w: at(w, layout.BUILT),
        system=lambda w: at(w, layout.SYSTEM),
    output:
        data=out(layout.EQUILIBRATED),
        summary=out(layout.EQUILIBRATION),
        thermo=out(layout.EQUILIBRATION_THERMO),
    log:
        out(layout.log("equilibrate")),
    benchmark:
        out(layout.benchmark("equilibrate"))
    params:
        settings=lambda w: conf(w).equilibration.arguments(conf(w).systems[layout.system_of(w.box)]),
        seed=lambda w: conf(w).seed,
    threads: 1
    resources:
        **on(cfg.cluster.sampling),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Equilibrating {wildcards.box} by 21-step compression and decompression"
    script:
        "../scripts/equilibrate.py"
