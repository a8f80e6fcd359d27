"""`impala-ha`: the program of those who run a cluster, or a toy of one.

This module is only the entry: it is loaded before anybody knows whether the packages of the command
line are installed, and says what to type if they are not.  Each command is in a module of its
own (`_commands` knows which) and is loaded when it is called.
"""

from __future__ import annotations

import sys

from impala_ha.cli import BY_CTRL_C, ended_with
from impala_ha.core.extras import MissingExtra, import_extra


def main() -> None:
    """Run the program with the arguments of this process.

    Raises:
        SystemExit: With 0, with 1 for something that failed, with 2 for wrong usage or a missing
            extra.
        KeyboardInterrupt: As of `ended_with`.
    """
    # The extra that is enough for the command, so that nobody installs twice.
    extra = "local" if sys.argv[1:2] in (["demo"], ["local"]) else "cli"
    try:
        for module in ("click", "rich"):
            import_extra(module, extra)
        from impala_ha.cli._commands import impala_ha  # noqa: PLC0415  # it needs what was just asked for

        impala_ha.main(prog_name="impala-ha")
    except SystemExit as ended:
        ended_with(ended.code if isinstance(ended.code, int) else 0)
        raise
    except KeyboardInterrupt:  # before a command could take care of it
        ended_with(BY_CTRL_C)
    except MissingExtra as error:
        sys.stderr.write(f"impala-ha: {error}\n")
        raise SystemExit(2) from None
