from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.labelling.cost import relative
    from oligopoly.selectors.chunks import take_pool

    take_pool(
        snakemake.input.pool,
        snakemake.output.chunks,
        snakemake.output.ledger,
        cost=relative(snakemake.params.labeler),
    )
