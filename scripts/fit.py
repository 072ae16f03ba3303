from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly import frames
    from oligopoly.ace.fit import Weights, fit

    fit(
        frames.read(snakemake.input.train),
        frames.read(snakemake.input.test),
        Path(snakemake.output.yaml).with_suffix(""),
        weights=Weights(**snakemake.params.weights),
        threads=snakemake.threads,
        **snakemake.params.trainer,
    )
