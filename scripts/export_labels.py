from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.labelling.exchange import export
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.theory import name_of

    params, files = snakemake.params, snakemake.input
    labelers = [
        create(params.labeler, data=data, system=system) for data, system in zip(files.data, files.systems, strict=True)
    ]
    export(Store(params.store), snakemake.output.labels, {name_of(labeler.settings()) for labeler in labelers})
