# Long MD of every system with the final potential and, to compare, with the reference.
PRODUCTIONS = list(cfg.produce.runs)


rule produce:
    input:
        potential=lambda w: [] if w.engine == "reference" else final_potential(w),
        data=lambda w: at(w, layout.EQUILIBRATED, box=layout.box(w.system, w.replicate)),
        system=lambda w: at(w, layout.SYSTEM, box=layout.box(w.system, w.replicate)),
    output:
        trajectories=of_runs(layout.PRODUCED),
        thermo=of_runs(layout.PRODUCED_THERMO),
        status=out(layout.PRODUCTION),
    log:
        out(layout.log("produce")),
    benchmark:
        out(layout.benchmark("produce"))
    params:
        settings=lambda w: conf(w).produce.arguments(conf(w).systems[w.system]),
        engine=lambda w: conf(w).explore.engine,
        seed=lambda w: conf(w).seed,
    threads: 1
    resources:
        **on(cfg.cluster.sampling),
    # The loop goes first; reference production fills the cores it leaves idle.
    priority: -10
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Production MD of {wildcards.system} with {wildcards.engine} (replicate {wildcards.replicate})"
    script:
        "../scripts/produce.py"
