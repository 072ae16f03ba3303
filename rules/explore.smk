# MD with the potential of the generation before, until it meets what it does not know.


rule explore:
    input:
        potential=potential_before,
        start=lambda w: liquid(w, layout.LIQUID, w.system),
        system=lambda w: at(w, layout.SYSTEM, box=w.system),
    output:
        candidates=out(layout.CANDIDATES),
        audit=out(layout.AUDIT),
        stop=out(layout.STOP),
        scores=out(layout.SCORES),
        thermo=out(layout.EXPLORED_THERMO),
        trajectory=out(layout.EXPLORED),
    log:
        out(layout.log("explore")),
    benchmark:
        out(layout.benchmark("explore"))
    params:
        conditions=lambda w: conf(w).explore.conditions(
            conf(w).explore.walkers[w.walker], conf(w).systems[w.system]
        ),
        walker=lambda w: conf(w).explore.walkers[w.walker].model_dump(),
        uncertainty=lambda w: vars(conf(w).uncertainty),
        engine=lambda w: conf(w).explore.engine,
        candidates=lambda w: conf(w).explore.candidates,
        seed=lambda w: conf(w).loop_seed,
    threads: 1
    resources:
        **on(cfg.cluster.sampling),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Exploring {wildcards.system} ({wildcards.walker}) for generation {wildcards.gen}"
    script:
        "../scripts/explore.py"
