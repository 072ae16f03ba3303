from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    import numpy as np

    from oligopoly.md import trajectory
    from oligopoly.md.hardware import Hardware
    from oligopoly.md.simulation import Conditions
    from oligopoly.potentials.registry import open_potential
    from oligopoly.potentials.uncertainty import Uncertainty
    from oligopoly.samplers.contract import Context, Origin
    from oligopoly.samplers.registry import SAMPLERS
    from oligopoly.seeds import derive
    from oligopoly.systems.topology import Topology

    where, params = snakemake.wildcards, snakemake.params
    seed = derive(params.seed, "explore", where.gen, where.system, where.walker)
    liquid = trajectory.read(snakemake.input.start)
    context = Context(
        open_potential(snakemake.input.potential[0]),
        Uncertainty(**params.uncertainty),
        Topology.read(snakemake.input.system),
        Conditions(**params.conditions),
        candidates=params.candidates,
        origin=Origin(where.system, int(where.gen), where.walker),
        seed=seed,
        engine=params.engine,
        hardware=Hardware.of_job(snakemake.threads, snakemake.resources),
    )
    start = liquid.atoms(np.random.default_rng(seed).integers(len(liquid)))
    SAMPLERS.read(params.walker).create().sample(start, context, Path(snakemake.output.stop).parent)
