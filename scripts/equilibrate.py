from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.seeds import derive
    from oligopoly.systems.equilibrate import equilibrate

    equilibrate(
        snakemake.input.data,
        snakemake.input.system,
        snakemake.output.data,
        thermo=snakemake.output.thermo,
        summary=snakemake.output.summary,
        seed=derive(snakemake.params.seed, "equilibrate", snakemake.wildcards.system),
        **snakemake.params.settings,
    )
