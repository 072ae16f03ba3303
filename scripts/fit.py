from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.frames import Stored
    from oligopoly.potentials.manifest import sha256
    from oligopoly.trainers.registry import TRAINERS, train

    inputs = snakemake.input
    train(
        TRAINERS.read(snakemake.params.trainer),
        Stored([inputs.train]),
        Stored([inputs.test]),
        Path(snakemake.output.metrics).parent,
        dataset=sha256(inputs.train),
        before=next(iter(inputs.before), None),
        threads=snakemake.threads,
        systems=dict(zip(snakemake.params.systems, zip(inputs.boxes, inputs.systems, strict=True), strict=True)),
    )
