"""What makes `snakemake` read the configs of oligopoly as data: a hook in the shape of a plugin.

Snakemake reads the files of `--configfile` before it looks at a Snakefile, and evaluates Python in those that say
`__use_yte__: true`. A colleague's config could run anything, at a dry-run too. Nothing in a workflow can come before
that, and Snakemake has no hook for it. But when it sets up its command line it imports all installed packages whose
names begin with `snakemake_logger_plugin_`. This is one; importing it is all that it is for, and `--logger oligopoly`
logs nothing. It puts itself before the function that has the arguments and begins to work, and where the Snakefile is
that of oligopoly, config files are read by `oligopoly.config.strict` alone. Other workflows in the same environment,
those too that use oligopoly as a module, are left as they are.

Where this is not installed, or Snakemake has changed inside, the Snakefile still refuses such files, but late.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    """Without one this would be no plugin."""

    writes_to_stream = writes_to_file = has_filter = has_formatter = needs_rulegraph = False

    def emit(self, record: Any) -> None:
        pass


def is_ours(snakefile: str | Path | None) -> bool:
    """Is this the Snakefile of oligopoly?"""
    from snakemake.api import resolve_snakefile

    found = resolve_snakefile(snakefile, allow_missing=True)
    if found is None or "://" in str(found):
        return False
    return (Path(found).resolve().parent / "workflow" / "oligopoly" / "config" / "strict.py").is_file()


def strictly(begin: Callable[..., bool]) -> Callable[..., bool]:
    """`snakemake.cli.args_to_api`, with our loader in the place of Snakemake's."""

    @functools.wraps(begin)
    def begin_with_data(args: Any, parser: Any) -> bool:
        if not is_ours(args.snakefile):
            return begin(args, parser)
        from snakemake.common import configfile

        from oligopoly.config import strict
        from oligopoly.errors import UserError

        try:
            for path in args.configfile or ():
                strict.load(path)
        except UserError as error:
            print(error, file=sys.stderr)
            return False
        configfile.load_configfile.__globals__["_load_configfile"] = lambda path, filetype="Config": strict.load(path)
        return begin(args, parser)

    begin_with_data.strict = True  # type: ignore[attr-defined]
    return begin_with_data


cli = sys.modules.get("snakemake.cli")
if hasattr(cli, "args_to_api") and not hasattr(cli.args_to_api, "strict"):  # type: ignore[union-attr]
    cli.args_to_api = strictly(cli.args_to_api)  # type: ignore[union-attr]
