from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.dataset import collect
    from oligopoly.labelers.outcomes import merge

    merge(snakemake.input.outcomes, snakemake.output.outcomes)
    collect(snakemake.input.labels, snakemake.input.before, snakemake.output.train, snakemake.output.test)
