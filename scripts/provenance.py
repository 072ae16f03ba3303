from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.provenance import write

    write(
        snakemake.input.potential,
        snakemake.input.train[0],
        snakemake.input.verdicts,
        snakemake.output.provenance,
        snakemake.output.config,
        config=snakemake.params.config,
    )
