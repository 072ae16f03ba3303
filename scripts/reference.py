from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.forcefields.engine import Classical
    from oligopoly.forcefields.registry import of_system
    from oligopoly.md.hardware import Hardware
    from oligopoly.md.simulation import Conditions
    from oligopoly.samplers.force_field_md import force_field_md
    from oligopoly.seeds import derive
    from oligopoly.systems.box import read_box
    from oligopoly.systems.topology import Topology

    inputs, params, where = snakemake.input, snakemake.params, snakemake.wildcards
    topology = Topology.read(inputs.system)
    hardware = Hardware.of_job(snakemake.threads, snakemake.resources)
    force_field_md(
        Classical(inputs.data, of_system(inputs.system), hardware),
        read_box(inputs.data, topology),
        topology,
        Path(snakemake.output.trajectory).parent,
        conditions=Conditions(**params.conditions),
        volume_ratio=params.volume_ratio,
        duration_fs=params.duration,
        sample_every_fs=params.sample_every,
        settle_fs=params.settle,
        seed=derive(params.seed, "reference", where.system, where.state),
    )
