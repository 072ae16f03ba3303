from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.labelers.classical import ClassicalLabeler
    from oligopoly.samplers.pool import make_pool
    from oligopoly.seeds import derive

    with ClassicalLabeler(snakemake.input.data, snakemake.input.system) as force_field:
        make_pool(
            snakemake.output.frames,
            {Path(path).parent.name: path for path in snakemake.input.trajectories},
            force_field.topology,
            system=snakemake.wildcards.system,
            energy=lambda atoms: force_field.label(atoms).energy,
            seed=derive(snakemake.params.seed, "pool", snakemake.wildcards.system),
            own_conditions=snakemake.params.own_conditions,
            **snakemake.params.settings,
        )
