from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.forcefields.engine import Classical
    from oligopoly.forcefields.registry import of_system
    from oligopoly.md.hardware import Hardware
    from oligopoly.md.produce import Run, produce, seed_of
    from oligopoly.md.simulation import Conditions
    from oligopoly.potentials.registry import open_potential
    from oligopoly.systems.box import read_box
    from oligopoly.systems.topology import Topology

    where, params, inputs = snakemake.wildcards, snakemake.params, snakemake.input
    hardware = Hardware.of_job(snakemake.threads, snakemake.resources)
    topology, settings = Topology.read(inputs.system), dict(params.settings)
    runs = settings.pop("runs")
    produce(
        open_potential(inputs.potential[0]).engine(choice=params.engine, hardware=hardware)
        if inputs.potential
        else Classical(inputs.data, of_system(inputs.system), hardware),
        read_box(inputs.data, topology),
        topology,
        Path(snakemake.output.status).parent,
        {name: Run(**run | {"conditions": Conditions(**run["conditions"])}) for name, run in runs.items()},
        seed=seed_of(params.seed, where.system, where.engine, where.replicate),
        label=f"{where.system} with {where.engine}, replicate {where.replicate}",
        **settings,
    )
