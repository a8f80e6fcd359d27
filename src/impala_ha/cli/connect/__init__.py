"""
`impala-connect`: run SQL on any of several coordinators, from the shell.

This module is only the entry: it is loaded before anybody knows whether the packages of the command
line are installed, and says what to type if they are not.  The program itself is in `_program`.
"""

from __future__ import annotations

import sys

from impala_ha.cli import BY_CTRL_C, ended_with
from impala_ha.core.extras import MissingExtra, import_extra


def main() -> int:
    """
    Run the program with the arguments of this process.

    Returns:
        The exit status: 0, 1 for a failed statement, 2 for wrong usage or a missing extra,
        128 + n when signal n ended it.

    Raises:
        KeyboardInterrupt: As of `ended_with`.
    """
    try:
        for module in ("click", "rich"):
            import_extra(module, "cli")
        from impala_ha.cli._program import program  # noqa: PLC0415 - it needs what was just asked for

        status = program(sys.argv[1:])
    except MissingExtra as error:
        sys.stderr.write(f"impala-connect: {error}\n")
        return 2
    except KeyboardInterrupt:  # before the program could take care of it
        status = BY_CTRL_C
    return ended_with(status)
