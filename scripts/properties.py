from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.evaluation import predict
    from oligopoly.label.labeler import create
    from oligopoly.properties.compare import compare

    files, params = snakemake.input, snakemake.params
    folders = {Path(path).parent.name: Path(path).parent for path in files.statuses}
    labeler = params.labeler and create(**params.labeler, data=files.data, system=files.system)
    compare(
        folders.get("reference"),
        folders["ace"],
        files.system,
        snakemake.output.properties,
        temperature=params.temperature,
        tolerance_percent=params.tolerance,
        role=params.role,
        evaluate_reference=labeler and (lambda frames: [labeler.label(atoms).energy for atoms in frames]),
        evaluate_ace=lambda frames: [found.energy for found in predict(files.potential, frames)],
    )
