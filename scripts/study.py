from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.config.members import combinations
    from oligopoly.studies.page import write
    from oligopoly.studies.registry import STUDIES

    params = snakemake.params
    settings = STUDIES.read(params.study)
    write(
        settings,
        dict(zip(combinations(settings.vary), params.folders.values(), strict=True)),
        combinations(settings.vary),
        snakemake.output.html,
        snakemake.output.tables,
        title=params.title,
        owners=dict(zip(combinations(settings.vary), params.owners.values(), strict=True)),
    )
