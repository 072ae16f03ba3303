from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.preflight import findings
    from oligopoly.preflight.probe import probe

    found, measured = probe(snakemake.params.where, snakemake.params.config, snakemake.threads)
    findings.write(snakemake.output.found, found, measured=measured)
