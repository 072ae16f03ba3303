from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.config.members import combinations
    from oligopoly.studies.page import write
    from oligopoly.studies.registry import STUDIES

    params = snakemake.params
    settings = STUDIES.read(params.study)
    members = combinations(settings.vary)
    write(
        settings,
        dict(zip(members, params.folders.values(), strict=True)),
        members,
        snakemake.output.html,
        snakemake.output.tables,
        title=params.title,
        owners=dict(zip(members, params.owners.values(), strict=True)),
    )
