from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.contact_scan import scan
    from oligopoly.label.classical import ClassicalLabeler
    from oligopoly.label.labeler import create
    from oligopoly.seeds import derive

    files, params = snakemake.input, snakemake.params
    with ClassicalLabeler(files.data, files.system) as force_field:
        scan(
            snakemake.output.scan,
            files.potential,
            files.liquid,
            force_field,
            create(**params.labeler, data=files.data, system=files.system),
            system=snakemake.wildcards.system,
            seed=derive(params.seed, "contact_scan", snakemake.wildcards.system),
            **params.settings,
        )
