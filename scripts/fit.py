from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.frames import Stored
    from oligopoly.trainers import train

    inputs, outputs = snakemake.input, snakemake.output
    prefix = Path(outputs.yaml).with_suffix("")
    settings = snakemake.params.trainer | ({"before": str(inputs.before)} if inputs.before else {})
    train(
        Stored([inputs.train]),
        Stored([inputs.test]),
        prefix,
        weights=snakemake.params.weights,
        threads=snakemake.threads,
        **settings,
    )
    for name in outputs:
        if not Path(name).name.startswith(prefix.name):
            prefix.with_name(f"{prefix.name}.{Path(name).name}").replace(name)
