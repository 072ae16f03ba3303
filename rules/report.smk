# One page to send to a colleague.


rule report:
    input:
        verdicts=of_every_generation("assess.json"),
        metrics=of_every_generation("potential/metrics.json"),
        properties=expand(rules.properties.output.properties, system=cfg.systems),
        scans=expand(rules.contact_scan.output.scan, system=TRAINED),
        provenance=rules.provenance.output.provenance,
    output:
        html=f"{RUN}/report/index.html",
    log:
        f"{RUN}/logs/report.log",
    benchmark:
        f"{RUN}/benchmarks/report.tsv"
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Writing the report"
    script:
        "../scripts/report.py"
