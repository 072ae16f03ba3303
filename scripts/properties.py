from collections import defaultdict
from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.labelers.registry import create
    from oligopoly.labelling.run import energies_of
    from oligopoly.potentials.registry import open_potential
    from oligopoly.properties.compare import compare
    from oligopoly.properties.registry import PROPERTIES

    files, params = snakemake.input, snakemake.params
    replicates = defaultdict(list)
    for status in map(Path, files.statuses):
        replicates[status.parts[-3]].append(status.parent)
    potential = open_potential(files.potential[0])
    energies = {"learned": lambda frames: [found.energy for found in potential.predict(frames)]}
    if params.labeler:
        labeler = create(params.labeler, data=files.data, system=files.system)
        energies["reference"] = lambda frames: energies_of(labeler, frames)
    compare(
        replicates,
        params.runs,
        files.system,
        snakemake.output.properties,
        properties={kind: PROPERTIES.read_one(kind, block) for kind, block in params.properties.items()},
        temperature=params.temperature,
        role=params.role,
        energies=energies,
        threads=snakemake.threads,
    )
