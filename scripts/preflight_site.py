from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly import layout
    from oligopoly.errors import UserError
    from oligopoly.preflight import findings, report, site

    params = snakemake.params
    found = site.check(layout.RESULTS, [site.Ask(*ask) for ask in params.asks], params.jobs, params.slurm)
    if problem := report.blocked(found):
        raise UserError(problem)
    findings.write(snakemake.output.found, found)
