from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.md.engines import Classical, learned
    from oligopoly.md.produce import produce
    from oligopoly.seeds import derive
    from oligopoly.systems.box import read_box
    from oligopoly.systems.topology import Topology

    where, params, potential = snakemake.wildcards, snakemake.params, snakemake.input.potential
    topology = Topology.read(snakemake.input.system)
    produce(
        learned(params.engine, potential[0]) if potential else Classical(snakemake.input.data),
        read_box(snakemake.input.data, topology),
        topology,
        Path(snakemake.output.status).parent,
        seed=derive(params.seed, "produce", *where),
        label=f"{where.system} with {where.engine}",
        **params.settings,
    )
