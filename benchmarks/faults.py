"""What a broken connection does to a program: plain impyla and impala-ha, side by side.

    python benchmarks/faults.py [--every 20] [--seed 1] [--sasl] [--tls]

One program (connect, SET, CREATE, INSERT, SELECT, fetch, close) runs again and again, and its
connection is cut at another byte each time: after each message in every mode, and at every so many
bytes in between, where the modes take turns.  A mode is an end of file or a reset; a coordinator
that can be reached again, or not; a program that goes on with the same cursor, or a new one.  The
driver is that of the test, `tests/contract/every_byte.py`.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "contract"))

from _shared import parser
from every_byte import Impyla, Lab, Ours, judge, plan, table


def main() -> None:
    program = parser(__doc__)
    program.add_argument("--every", type=int, default=20, help="each how many bytes (1: all)")
    program.add_argument("--seed", type=int, default=1, help="where the steps begin")
    program.add_argument("--sasl", action="store_true", help="with user and password")
    program.add_argument("--tls", action="store_true", help="with TLS")
    arguments = program.parse_args()
    logging.disable(logging.CRITICAL)  # thousands of warnings, each of them deserved
    warnings.simplefilter("ignore", ResourceWarning)  # impyla's sockets; they are counted
    verdicts = {}
    with (
        tempfile.TemporaryDirectory() as directory,
        Lab(sasl=arguments.sasl, tls=arguments.tls, directory=directory) as lab,
    ):
        for kind in (Impyla, Ours):
            client = lab.client(kind)
            measured = lab.measure(client)
            cuts = plan(measured, arguments.every, arguments.seed)
            began = time.monotonic()
            runs = [lab.run(client, cut) for cut in cuts]
            verdicts[kind.name] = judge(runs, lab.ledger)
            ways = ", ".join(f"{size} bytes {way}" for way, (size, _) in measured.items())
            spent = time.monotonic() - began
            print(f"{kind.name}: {len(cuts)} cuts in {ways}; {spent:.0f} s", file=sys.stderr)
    print(table(verdicts))


if __name__ == "__main__":
    main()
