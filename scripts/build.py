from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.forcefields.registry import FORCE_FIELDS
    from oligopoly.seeds import derive
    from oligopoly.systems.build import build_system

    build_system(
        snakemake.output.data,
        snakemake.output.system,
        force_field=FORCE_FIELDS.read(snakemake.params.force_field),
        seed=derive(snakemake.params.seed, "build", snakemake.wildcards.box),
        **snakemake.params.system,
    )
