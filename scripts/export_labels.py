from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.label.exchange import export
    from oligopoly.label.labeler import create
    from oligopoly.label.store import Store
    from oligopoly.label.theory import name_of

    params, files = snakemake.params, snakemake.input
    labelers = [
        create(**params.labeler, data=data, system=system)
        for data, system in zip(files.data, files.systems, strict=True)
    ]
    export(Store(params.store), snakemake.output.labels, {name_of(labeler.settings()) for labeler in labelers})
