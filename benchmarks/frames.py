"""
How many frames lie between the user's line and the socket, and how many an error shows.

    python benchmarks/frames.py

Goals: at most 14 from `Cursor.execute` to the first byte on the socket (impyla has 12), and at most
3 of ours in the traceback of an error of SQL.  `tests/unit/test_frames.py` holds them.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import impala.dbapi

import impala_ha
from impala_ha.testing import LocalCluster

TO_SOCKET, OF_ERROR = 14, 3
_SENDS = {"send", "sendall", "sendmsg", "write"}


def to_socket(execute: Callable[[str], object], sql: str = "SELECT 1") -> list[CodeType]:
    """The functions from *execute* to the one that gives the first byte to the socket."""
    found: list[CodeType] = []

    def profile(frame: FrameType, event: str, called: Any) -> None:
        sends = event == "c_call" and called.__name__ in _SENDS
        if found or not sends or "ocket" not in type(called.__self__).__name__:
            return
        step: FrameType | None = frame
        while step is not None and step.f_code is not caller:
            found.insert(0, step.f_code)
            step = step.f_back

    caller = sys._getframe().f_code  # noqa: SLF001 - the only way
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        execute(sql)
    finally:
        sys.setprofile(before)
    return found


def of_error(
    execute: Callable[[str], object], sql: str = "SELECT nothing FROM nowhere"
) -> list[str]:
    """The functions below the caller's in the traceback of the error of *sql*."""
    try:
        execute(sql)
    except impala_ha.errors.Error as error:
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)[1:]]
    raise AssertionError(f"{sql} went well")


def main() -> int:
    with LocalCluster(1) as cluster:
        host, port = cluster[0].host, cluster[0].port
        theirs = impala.dbapi.connect(host, port).cursor(user="etl")
        ours = impala_ha.connect(host, port).cursor()
        for name, cursor in (("impyla", theirs), ("impala-ha", ours)):
            path = to_socket(cursor.execute)
            shown = of_error(cursor.execute)
            print(f"{name}: {len(path)} frames to the socket, {len(shown)} in an error of SQL")
            print("  " + " > ".join(code.co_name for code in path))
            print("  " + " > ".join(shown))
            cursor.close()
        met = len(path) <= TO_SOCKET and len(shown) <= OF_ERROR
    print(f"goals of impala-ha ({TO_SOCKET} and {OF_ERROR}): {'met' if met else 'missed'}")
    return not met


if __name__ == "__main__":
    sys.exit(main())
