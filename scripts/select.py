from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.labelling.cost import relative
    from oligopoly.potentials.registry import open_potential
    from oligopoly.seeds import derive
    from oligopoly.selectors.chunks import select_generation
    from oligopoly.selectors.registry import SELECTORS
    from oligopoly.systems.topology import Topology

    inputs, params = snakemake.input, snakemake.params
    select_generation(
        [str(Path(stop).parent) for stop in inputs.stops],
        snakemake.output.chunks,
        snakemake.output.ledger,
        int(snakemake.wildcards.gen),
        select=SELECTORS.read(params.select),
        potential=open_potential(inputs.potential[0]),
        topologies={Path(path).parent.name: Topology.read(path) for path in inputs.systems},
        molecules=params.molecules,
        cost=relative(params.labeler),
        seed=derive(params.seed, "select", snakemake.wildcards.gen),
    )
