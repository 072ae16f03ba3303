# Density, structure and dynamics of the learned potential against the reference.


rule properties:
    input:
        statuses=lambda w: [
            at(w, layout.PRODUCTION, engine=engine, replicate=replicate)
            for engine in engines(w)
            for replicate in replicates(w)
        ],
        trajectories=lambda w: [
            at(w, layout.PRODUCED, engine=engine, replicate=replicate, production=production)
            for engine in engines(w)
            for replicate in replicates(w)
            for production in PRODUCTIONS
        ],
        potential=final_potential,
        data=lambda w: at(w, layout.BUILT, box=w.system),
        system=lambda w: at(w, layout.SYSTEM, box=w.system),
    output:
        properties=out(layout.PROPERTIES),
    log:
        out(layout.log("properties")),
    benchmark:
        out(layout.benchmark("properties"))
    params:
        labeler=lambda w: conf(w).label.labeler.model_dump() if conf(w).label.labeler.runs_md else None,
        runs=lambda w: conf(w).produce.by_ensemble(),
        properties=lambda w: {
            kind: one.model_dump()
            for kind, one in conf(w).properties.chosen(set(conf(w).produce.by_ensemble())).items()
        },
        temperature=lambda w: conf(w).systems[w.system].temperature,
        role=lambda w: conf(w).systems[w.system].role,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Measuring {wildcards.system}"
    script:
        "../scripts/properties.py"
