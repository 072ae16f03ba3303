import os

terminal = os.dup(1)

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.files import write_text
    from oligopoly.preflight.report import report

    text = report(snakemake.input.found, snakemake.params.config, snakemake.params.hardware)
    write_text(snakemake.output.report, text + "\n")
    os.write(terminal, (text + "\n").encode())
