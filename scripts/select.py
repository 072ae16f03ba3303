from functools import partial
from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.label.cost import relative
    from oligopoly.seeds import derive
    from oligopoly.select.chunks import select_generation
    from oligopoly.systems.topology import Topology

    select_generation(
        [str(Path(stop).parent) for stop in snakemake.input.stops],
        snakemake.output.chunks,
        snakemake.output.ledger,
        int(snakemake.wildcards.gen),
        potential_file=snakemake.input.potential[0],
        active_set_file=snakemake.input.active_set[0],
        topologies={Path(path).parent.name: Topology.read(path) for path in snakemake.input.systems},
        molecules=snakemake.params.molecules,
        cost=partial(relative, labeler=snakemake.params.labeler),
        seed=derive(snakemake.params.seed, "select", snakemake.wildcards.gen),
        **snakemake.params.choice,
    )
