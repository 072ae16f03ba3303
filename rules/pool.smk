# Structures of generation 0: periodic frames, clusters, and pairs pushed together.


rule pool:
    input:
        trajectories=lambda w: [at(w, layout.LIQUID, state=state) for state in conf(w).reference.states],
        data=lambda w: at(w, layout.EQUILIBRATED, box=w.system),
        system=lambda w: at(w, layout.SYSTEM, box=w.system),
    output:
        frames=out(layout.POOL),
    log:
        out(layout.log("pool")),
    benchmark:
        out(layout.benchmark("pool"))
    params:
        settings=lambda w: conf(w).pool.model_dump() | {"clusters_only": conf(w).label.clusters_only},
        own_conditions=lambda w: [at_conditions_of_system(conf(w).reference.states)],
        seed=lambda w: conf(w).seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Choosing frames, clusters and contacts of {wildcards.system} for generation 0"
    script:
        "../scripts/pool.py"
