from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.forcefields.registry import of_system
    from oligopoly.md.equilibrate import equilibrate
    from oligopoly.md.hardware import Hardware
    from oligopoly.seeds import derive

    equilibrate(
        snakemake.input.data,
        snakemake.input.system,
        snakemake.output.data,
        of_system(snakemake.input.system),
        thermo=snakemake.output.thermo,
        summary=snakemake.output.summary,
        hardware=Hardware.of_job(snakemake.threads, snakemake.resources),
        seed=derive(snakemake.params.seed, "equilibrate", snakemake.wildcards.box),
        **snakemake.params.settings,
    )
