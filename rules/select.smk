# What gets a label: the whole pool in generation 0, afterwards what the potential does not know.


# One file per label job. Members of a study have the same number (`config.members`): outputs cannot depend on the run.
CHUNKS = [out(layout.CHUNK).replace("{chunk}", str(number)) for number in range(cfg.label.chunks)]


rule select_pool:
    input:
        pool=lambda w: [at(w, layout.POOL, system=system) for system in trained(w)],
    output:
        chunks=list(map(in_generation_0, CHUNKS)),
        ledger=in_generation_0(out(layout.LEDGER)),
    log:
        in_generation_0(out(layout.log("select"))),
    benchmark:
        in_generation_0(out(layout.benchmark("select")))
    params:
        labeler=lambda w: conf(w).label.labeler.model_dump(),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Generation 000: all of the pool is labelled"
    script:
        "../scripts/select_pool.py"


rule select:
    input:
        stops=lambda w: walkers(w, layout.STOP),
        candidates=lambda w: walkers(w, layout.CANDIDATES),
        audit=lambda w: walkers(w, layout.AUDIT),
        potential=potential_before,
        systems=lambda w: boxes(layout.SYSTEM)(w) if conf(w).label.clusters_only else [],
    output:
        chunks=CHUNKS,
        ledger=out(layout.LEDGER),
    wildcard_constraints:
        gen=r"(?!000)\d{3}",
    log:
        out(layout.log("select")),
    benchmark:
        out(layout.benchmark("select"))
    params:
        select=lambda w: conf(w).select.model_dump(),
        molecules=lambda w: conf(w).label.molecules if conf(w).label.clusters_only else None,
        labeler=lambda w: conf(w).label.labeler.model_dump(),
        seed=lambda w: conf(w).loop_seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Selecting what is worth a label in generation {wildcards.gen}"
    script:
        "../scripts/select.py"
