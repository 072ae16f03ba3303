from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly import frames
    from oligopoly.label.labeler import create
    from oligopoly.label.run import label_chunk
    from oligopoly.label.store import Store

    params, files = snakemake.params, snakemake.input
    label_chunk(
        frames.read(files.chunk),
        {
            name: create(**params.labeler, data=data, system=system)
            for name, data, system in zip(params.names, files.data, files.systems, strict=True)
        },
        Store(params.store),
        snakemake.output.labelled,
        snakemake.output.outcomes,
        **params.limits,
    )
