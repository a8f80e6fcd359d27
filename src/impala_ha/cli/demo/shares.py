"""The share of each coordinator: fresh processes, which do not know of each other, connect."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

_PROGRAMS = 9
_PROGRAM = "import impala_ha; print(impala_ha.connect().coordinator)"
_LIMIT = 60  # seconds for one of them


def shares(hosts: Sequence[str]) -> Counter[str]:
    """
    How many of nine fresh processes, one after the other, connected to each of *hosts*.

    Raises:
        RuntimeError: One of them failed; its error.
    """
    environment = {name: value for name, value in os.environ.items() if name != "IMPALA_HA_POLICY"}
    environment["IMPALA_HA_HOSTS"] = ",".join(hosts)
    found: Counter[str] = Counter(dict.fromkeys(hosts, 0))
    for _ in range(_PROGRAMS):
        try:
            done = subprocess.run(  # noqa: S603 - a program of ours
                [sys.executable, "-c", _PROGRAM],
                env=environment,
                capture_output=True,
                text=True,
                timeout=_LIMIT,
                check=True,
            )
        except subprocess.SubprocessError as error:
            why = getattr(error, "stderr", None) or error
            raise RuntimeError(f"a program could not connect: {why}") from error
        found[done.stdout.strip()] += 1
    return found


def told(found: Counter[str]) -> str:
    """One line of it."""
    each = ", ".join(f"{where} {times}" for where, times in sorted(found.items()))
    return f" {sum(found.values())} fresh programs connected then: {each}"
