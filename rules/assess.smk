# Does the potential hold? The only checkpoint: its verdict decides whether the loop goes on.


def judged_liquids(wildcards):
    """Systems whose density is judged: only a force field that is itself the reference knows the reference density."""
    return trained(wildcards) if conf(wildcards).label.labeler.runs_md else []


def own_liquids(wildcards):
    """Exploration at each system's own conditions, where there is such a walker."""
    walker = at_conditions_of_system(conf(wildcards).explore.walkers)
    systems = judged_liquids(wildcards) if walker and wildcards.gen != "000" else []
    return [at(wildcards, layout.EXPLORED, system=system, walker=walker) for system in systems]


checkpoint assess:
    input:
        metrics=lambda w: at(w, layout.METRICS),
        potential=lambda w: potential(w, w.gen),
        labels=lambda w: [at(w, layout.LABELLED, chunk=chunk) for chunk in chunks(w)],
        liquid=lambda w: [
            liquid(w, template, system)
            for system in judged_liquids(w)
            for template in (layout.LIQUID, layout.LIQUID_THERMO)
        ],
        before=potential_before,
        own_liquid=own_liquids,
        data=boxes(layout.BUILT),
        systems=boxes(layout.SYSTEM),
        stops=lambda w: walkers(w, layout.STOP),
    output:
        verdict=out(layout.VERDICT),
    log:
        out(layout.log("assess")),
    benchmark:
        out(layout.benchmark("assess"))
    params:
        criteria=lambda w: conf(w).assess.model_dump(),
        labeler=lambda w: conf(w).label.labeler.model_dump(),
        temperatures=lambda w: {name: conf(w).systems[name].temperature for name in trained(w)},
        last=lambda w: conf(w).loop.generations,
        limits=lambda w: conf(w).budget.limits(),
        next_labels=lambda w: conf(w).select.budget_of(int(w.gen) + 1) + conf(w).select.audit,
        store=lambda w: conf(w).label.store,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Assessing generation {wildcards.gen}"
    script:
        "../scripts/assess.py"
