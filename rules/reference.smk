# MD with the force field at the state points that generation 0 is drawn from.


rule reference:
    input:
        data=lambda w: at(w, layout.EQUILIBRATED, box=w.system),
        system=lambda w: at(w, layout.SYSTEM, box=w.system),
    output:
        trajectory=out(layout.LIQUID),
        thermo=out(layout.LIQUID_THERMO),
    log:
        out(layout.log("reference")),
    benchmark:
        out(layout.benchmark("reference"))
    params:
        conditions=lambda w: conf(w).reference.conditions(
            conf(w).reference.states[w.state], conf(w).systems[w.system]
        ),
        volume_ratio=lambda w: conf(w).reference.states[w.state].volume_ratio,
        duration=lambda w: conf(w).reference.states[w.state].duration,
        sample_every=lambda w: conf(w).reference.sample_every,
        settle=lambda w: conf(w).reference.settle,
        seed=lambda w: conf(w).seed,
    threads: 1
    resources:
        **on(cfg.cluster.sampling),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "MD of {wildcards.system} with the force field at state point {wildcards.state}"
    script:
        "../scripts/reference.py"
