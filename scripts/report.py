from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.report.build import build

    html = Path(snakemake.output.html)
    build(html.parents[1], html, owners=snakemake.params.owners)
