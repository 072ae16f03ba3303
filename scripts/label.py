from functools import partial

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly import frames
    from oligopoly.labelling.cost import Costs
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.run import label_chunk
    from oligopoly.labelling.store import Store
    from oligopoly.labelling.walltime import seconds_left
    from oligopoly.systems.topology import Topology

    params, files, resources = snakemake.params, snakemake.input, snakemake.resources
    label_chunk(
        frames.read(files.chunk),
        {
            name: partial(create, params.labeler, data=data, system=system)
            for name, data, system in zip(params.names, files.data, files.systems, strict=True)
        },
        Store(params.store),
        snakemake.output.labelled,
        snakemake.output.outcomes,
        costs=Costs(params.store, params.labeler),
        topologies={name: Topology.read(system) for name, system in zip(params.names, files.systems, strict=True)},
        cores=snakemake.threads,
        memory_mb=resources.mem_mb,
        seconds_left=seconds_left(resources.runtime),
        last_attempt=bool(resources.last_attempt),
        **params.limits,
    )
