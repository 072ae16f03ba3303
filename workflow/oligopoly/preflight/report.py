"""What `snakemake preflight` prints in the end."""

from oligopoly.config.load import check
from oligopoly.errors import UserError
from oligopoly.md.hardware import Hardware
from oligopoly.preflight import findings
from oligopoly.preflight.forecast import compare, describe, forecast


def report(files: list[str], config: dict, hardware: dict[str, dict]) -> str:
    """All findings and the forecast. Raises UserError with the same text when there are problems."""
    found: list[findings.Finding] = []
    measured: dict = {}
    for path in files:
        some, facts = findings.read(path)
        found += some
        measured |= facts.get("measured", {})
    checked = check(config)
    expected = forecast(checked, measured, {rule: Hardware(**one) for rule, one in hardware.items()})
    found += compare(checked, expected)
    problems = [finding for finding in found if finding.problem]
    bound = "exactly" if checked.loop.mode == "fixed" else "at most"
    lines = [
        *map(str, found), "", f"Forecast for {bound} {checked.loop.generations} generations after the first:",
        *describe(expected), "",
    ]  # fmt: skip
    if problems:
        raise UserError("\n".join([*lines, f"{len(problems)} problems: mend them before the run."]))
    return "\n".join([*lines, "Ready: `snakemake --profile slurm` may run."])


def blocked(site: list[findings.Finding]) -> str | None:
    """The text to stop with before any job, when the site itself has problems."""
    problems = [finding for finding in site if finding.problem]
    if not problems:
        return None
    return "\n".join([*map(str, site), "", f"{len(problems)} problems: mend them first; no job was submitted."])
