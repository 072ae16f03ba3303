from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly import frames
    from oligopoly.trainers import train

    prefix = Path(snakemake.output.yaml).with_suffix("")
    train(
        frames.read(snakemake.input.train),
        frames.read(snakemake.input.test),
        prefix,
        weights=snakemake.params.weights,
        threads=snakemake.threads,
        **snakemake.params.trainer,
    )
    for name in (snakemake.output.metrics, snakemake.output.predictions):
        prefix.with_name(f"{prefix.name}.{Path(name).name}").replace(name)
