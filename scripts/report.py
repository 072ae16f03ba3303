from pathlib import Path

from oligopoly.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.report.html import build

    html = Path(snakemake.output.html)
    build(html.parents[1], html)
