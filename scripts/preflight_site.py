from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.errors import UserError
    from oligopoly.preflight import findings, report, site

    params = snakemake.params
    found = site.check("results", [site.Ask(*ask) for ask in params.asks], params.jobs, params.slurm)
    if problem := report.blocked(found):
        raise UserError(problem)
    findings.write(snakemake.output.found, found)
