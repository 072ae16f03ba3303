from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.forcefields.registry import FORCE_FIELDS
    from oligopoly.seeds import derive

    FORCE_FIELDS.read(snakemake.params.force_field).build(
        snakemake.output.data,
        snakemake.output.system,
        snakemake.params.system,
        seed=derive(snakemake.params.seed, "build", snakemake.wildcards.box),
    )
