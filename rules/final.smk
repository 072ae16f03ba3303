# The potential of the last generation, and what is known about it.

for number, (files, runs) in enumerate(TRAINED_BY.items()):

    rule:
        name:
            alike("final", number, runs)
        input:
            potential=lambda w: potential(w, f"{last_generation(w):03d}"),
        output:
            potential=[out(layout.FINAL).replace("{file}", file) for file in files],
        wildcard_constraints:
            run="|".join(map(re.escape, runs)),
        log:
            out(layout.log("final")),
        benchmark:
            out(layout.benchmark("final"))
        conda:
            "../envs/oligopoly.yaml"
        message:
            "The potential of the last generation is the final one"
        script:
            "../scripts/final.py"


# Apart from `final`, so that a change in the config that left the potential alone runs no MD again.
rule provenance:
    input:
        potential=final_potential,
        train=lambda w: at(w, layout.TRAIN, gen=f"{last_generation(w):03d}"),
        verdicts=of_every_generation(layout.VERDICT),
    output:
        provenance=out(layout.PROVENANCE),
        config=out(layout.CONFIG),
    log:
        out(layout.log("provenance")),
    benchmark:
        out(layout.benchmark("provenance"))
    params:
        config=lambda w: conf(w).model_dump(mode="json"),
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Writing down where the final potential came from"
    script:
        "../scripts/provenance.py"


rule contact_scan:
    input:
        potential=final_potential,
        liquid=lambda w: liquid(w, layout.LIQUID, w.system),
        data=lambda w: at(w, layout.BUILT, box=w.system),
        system=lambda w: at(w, layout.SYSTEM, box=w.system),
    output:
        scan=out(layout.SCAN),
    log:
        out(layout.log("contact_scan")),
    benchmark:
        out(layout.benchmark("contact_scan"))
    params:
        labeler=lambda w: conf(w).label.labeler.model_dump(),
        limits=lambda w: conf(w).label.model_dump(include=LIMITS),
        store=lambda w: conf(w).label.store,
        # A method that takes minutes is asked at every third distance of a few pairs.
        settings=lambda w: conf(w).pool.contacts.model_dump(include={"pairs", "max_energy"})
        if conf(w).label.labeler.runs_md
        else {
            "pairs": min(2, conf(w).pool.contacts.pairs),
            "max_energy": conf(w).pool.contacts.max_energy,
            "every": 3,
        },
        seed=lambda w: conf(w).seed,
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Pushing pairs of {wildcards.system} together to look for holes"
    script:
        "../scripts/contact_scan.py"
