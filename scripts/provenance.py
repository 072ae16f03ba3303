from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.operations.provenance import write

    write(
        snakemake.input.potential[0],
        snakemake.input.train,
        snakemake.input.verdicts,
        snakemake.output.provenance,
        snakemake.output.config,
        config=snakemake.params.config,
    )
