from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.seeds import derive
    from oligopoly.select.chunks import select_generation

    select_generation(
        [str(Path(stop).parent) for stop in snakemake.input.stops],
        snakemake.output.chunks,
        snakemake.output.ledger,
        int(snakemake.wildcards.gen),
        potential_file=snakemake.input.potential[0],
        active_set_file=snakemake.input.active_set[0],
        seed=derive(snakemake.params.seed, "select", snakemake.wildcards.gen),
        **snakemake.params.choice,
    )
