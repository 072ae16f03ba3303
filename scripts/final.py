from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.files import copy

    for source, target in zip(snakemake.input.potential, snakemake.output.potential, strict=True):
        copy(source, target)
