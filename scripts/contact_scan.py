from functools import partial

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.contact_scan import scan
    from oligopoly.labelers.classical import ClassicalLabeler
    from oligopoly.labelling.cost import Costs
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.run import energies
    from oligopoly.labelling.store import Store
    from oligopoly.seeds import derive

    files, params, system = snakemake.input, snakemake.params, snakemake.wildcards.system
    with ClassicalLabeler(files.data, files.system) as force_field:
        scan(
            snakemake.output.scan,
            files.potential[0],
            files.liquid,
            force_field,
            partial(
                energies,
                factories={system: partial(create, params.labeler, data=files.data, system=files.system)},
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
