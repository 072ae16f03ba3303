from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.seeds import derive
    from oligopoly.systems.build import build_system

    build_system(
        snakemake.output.data,
        snakemake.output.system,
        charges=snakemake.params.charges,
        seed=derive(snakemake.params.seed, "build", snakemake.wildcards.system),
        **snakemake.params.system,
    )
