from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    import numpy as np

    from oligopoly.md import trajectory
    from oligopoly.md.explore import Origin, explore
    from oligopoly.md.simulation import Conditions
    from oligopoly.seeds import derive
    from oligopoly.systems.topology import Topology

    where, params = snakemake.wildcards, snakemake.params
    seed = derive(params.seed, "explore", *where)
    liquid = trajectory.read(snakemake.input.start)
    explore(
        snakemake.input.potential[0],
        snakemake.input.potential[2],
        liquid.atoms(np.random.default_rng(seed).integers(len(liquid))),
        Topology.read(snakemake.input.system),
        Path(snakemake.output.stop).parent,
        conditions=Conditions(**params.conditions),
        volume_ratio=params.volume_ratio,
        duration_fs=params.duration,
        origin=Origin(where.system, int(where.gen), where.walker),
        seed=seed,
        **params.settings,
    )
