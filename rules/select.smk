# What gets a label: the whole pool in generation 0, afterwards what the potential does not know.


def chunk_files(wildcards_of_output=None):
    """Outputs of a selection, one file per label job: as many as the config of any run asks for."""
    return [out(layout.CHUNK).replace("{chunk}", chunk) for chunk in ALL_CHUNKS]


# Members of a study share the number of chunks (`config.members` says so), since outputs cannot depend on the run.
ALL_CHUNKS = [str(number) for number in range(cfg.label.chunks)]


rule select_pool:
    input:
        pool=lambda w: [at(w, layout.POOL, system=system) for system in trained(w)],
    output:
        chunks=[path.replace("{gen}", "000") for path in chunk_files()],
        ledger=out(layout.LEDGER).replace("{gen}", "000"),
    log:
        out(layout.log("select")).replace("{gen}", "000"),
    benchmark:
        out(layout.benchmark("select")).replace("{gen}", "000")
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
        chunks=chunk_files(),
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
