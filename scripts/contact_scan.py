from functools import partial

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.contact_scan import scan
    from oligopoly.label.classical import ClassicalLabeler
    from oligopoly.label.cost import Costs
    from oligopoly.label.labeler import create
    from oligopoly.label.run import energies
    from oligopoly.label.store import Store
    from oligopoly.seeds import derive

    files, params, system = snakemake.input, snakemake.params, snakemake.wildcards.system
    with ClassicalLabeler(files.data, files.system) as force_field:
        scan(
            snakemake.output.scan,
            files.potential,
            files.liquid,
            force_field,
            partial(
                energies,
                factories={system: partial(create, **params.labeler, data=files.data, system=files.system)},
                store=Store(params.store),
                topologies={system: force_field.topology},
                costs=Costs(params.store, params.labeler),
                cores=snakemake.threads,
                **params.limits,
            ),
            system=system,
            seed=derive(params.seed, "contact_scan", system),
            **params.settings,
        )
