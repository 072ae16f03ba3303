# One page to send to a colleague.


rule report:
    input:
        verdicts=of_every_generation(layout.VERDICT),
        metrics=of_every_generation(layout.METRICS),
        properties=lambda w: [at(w, layout.PROPERTIES, system=system) for system in conf(w).systems],
        scans=lambda w: [at(w, layout.SCAN, system=system) for system in trained(w)],
        provenance=lambda w: at(w, layout.PROVENANCE),
    output:
        html=report(out(layout.REPORT), caption="../report/report.rst", category="oligopoly"),
    log:
        out(layout.log("report")),
    benchmark:
        out(layout.benchmark("report"))
    params:
        owners=lambda w: OWNERS[w.run],
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
