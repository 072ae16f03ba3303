from functools import partial

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.label.cost import relative
    from oligopoly.select.chunks import take_pool

    take_pool(
        snakemake.input.pool,
        snakemake.output.chunks,
        snakemake.output.ledger,
        cost=partial(relative, labeler=snakemake.params.labeler),
    )
