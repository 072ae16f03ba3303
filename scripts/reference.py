from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.md.reference import run_reference
    from oligopoly.md.simulation import Conditions
    from oligopoly.seeds import derive
    from oligopoly.systems.box import read_box
    from oligopoly.systems.topology import Topology

    topology = Topology.read(snakemake.input.system)
    run_reference(
        snakemake.input.data,
        read_box(snakemake.input.data, topology),
        topology,
        Path(snakemake.output.trajectory).parent,
        conditions=Conditions(**snakemake.params.conditions),
        volume_ratio=snakemake.params.volume_ratio,
        duration_fs=snakemake.params.duration,
        sample_every_fs=snakemake.params.sample_every,
        settle_fs=snakemake.params.settle,
        seed=derive(snakemake.params.seed, "reference", *snakemake.wildcards),
    )
