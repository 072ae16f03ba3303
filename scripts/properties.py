from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.evaluation import predict
    from oligopoly.label.labeler import create
    from oligopoly.properties.compare import compare

    files, params = snakemake.input, snakemake.params
    labeler = create(**params.labeler, data=files.data, system=files.system)
    compare(
        Path(files.reference).parent,
        Path(files.ace).parent,
        files.system,
        snakemake.output.properties,
        temperature=params.temperature,
        tolerance_percent=params.tolerance,
        role=params.role,
        evaluate_reference=lambda frames: [labeler.label(atoms).energy for atoms in frames],
        evaluate_ace=lambda frames: [found.energy for found in predict(files.potential, frames)],
    )
