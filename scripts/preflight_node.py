from pathlib import Path

from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.md.hardware import Hardware
    from oligopoly.preflight import findings
    from oligopoly.preflight.probe import probe

    params, file = snakemake.params, Path(snakemake.output.found)
    hardware = {rule: Hardware(**one) for rule, one in params.hardware.items()}
    found, measured = probe(params.where, params.config, snakemake.threads, hardware, file.parent)
    findings.write(file, found, measured=measured)
