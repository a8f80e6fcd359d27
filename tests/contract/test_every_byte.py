"""
A program is cut at every byte of both directions, and what it was told is compared with what ran.

Nothing runs twice, nobody is told wrong, nothing hangs, nothing is left behind.  In the usual run
the end of each message is cut, and some bytes in between.  The whole, a quarter of an hour for each
kind of connection, is ``SOAK_EVERY=1 pytest <this file>``, from another seed with ``SOAK_SEED=7``.
It says how far it is, stops soon after the first wrong, and goes on from there with ``SOAK_FROM``.
"""

from __future__ import annotations

import os
import sys

import pytest
from every_byte import Cut, Lab, Ours, judge, plan, table

EVERY = int(os.environ.get("SOAK_EVERY", "0"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
FROM = int(os.environ.get("SOAK_FROM", "0"))  # this cut of the series on
PORTION = 500  # cuts between two looks at what they did

pytestmark = [
    pytest.mark.slow(50),
    pytest.mark.servers,
    pytest.mark.timeout(3600 * 4 if EVERY else 240),
]

# Each how many bytes in the usual run, and in how many modes the end of each message.
SERIES = [
    pytest.param({}, 150, 3, id="NOSASL"),
    pytest.param({"sasl": True}, 200, 1, id="PLAIN"),
    pytest.param({"tls": True}, 200, 1, id="TLS"),
    pytest.param({"sasl": True, "tls": True}, 200, 1, id="TLS+PLAIN"),
    pytest.param({"http": True}, 300, 1, id="HTTP"),
    pytest.param({"http": True, "sasl": True, "tls": True}, 300, 1, id="HTTPS+Basic"),
]


@pytest.fixture
def say(capsys, request):
    """Tell it to who waits, and which test this is."""

    def write(text):
        with capsys.disabled():
            sys.stdout.write(f"\n{request.node.name}\n{text}")
            sys.stdout.flush()

    return write


@pytest.mark.parametrize(("security", "every", "each"), SERIES)
def test_wherever_the_connection_breaks_every_promise_holds(tmp_path, say, security, every, each):
    with Lab(**security, directory=tmp_path) as lab:
        client = lab.client(Ours)
        cuts = plan(lab.measure(client), EVERY or every, SEED, each=8 if EVERY else each)
        runs = _run(lab, client, cuts, say)
        verdict = judge(runs, lab.ledger)
        say(f"{table({Ours.name: verdict})}\n")

    assert [] == verdict.wrong
    assert verdict.counts["cuts"] > 0.9 * len(runs), "most of the cuts came"
    if "sasl" not in security:  # an end of file after a password may mean that it is wrong
        needless = ("not connected", "reads failed", "reported failed, ran not")
        assert [0, 0, 0] == [verdict.counts[name] for name in needless]


def _run(lab, client, cuts, say):
    """All of *cuts*, or those up to the first wrong; says how to come back to where it is."""
    runs = []
    for first in range(FROM, len(cuts), PORTION):
        say(f"{first} of {len(cuts)} cuts: SOAK_SEED={SEED} SOAK_FROM={first} SOAK_EVERY={EVERY}")
        portion = [lab.run(client, cut) for cut in cuts[first : first + PORTION]]
        runs += portion
        if judge(portion, lab.ledger).wrong:
            break
    return runs


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_cut_in_the_head_of_a_map_leads_elsewhere_like_any_other(tmp_path, how):
    """Thrift's C part reports a TypeError there; the answer to OpenSession has a map."""
    with Lab(directory=tmp_path) as lab:
        client = lab.client(Ours)
        for byte in range(96, 112):
            run = lab.run(client, Cut("to_client", byte, how, down=False, fresh=True))

            assert (True, []) == (run.connected, run.raw), byte


@pytest.mark.parametrize("down", [False, True])
def test_a_connection_that_falls_silent_changes_nothing_but_the_time(tmp_path, down):
    with Lab(directory=tmp_path) as lab:
        client = lab.client(Ours, patience=0.8)
        measured = lab.measure(client)
        runs = [
            lab.run(client, Cut(way, ends[len(ends) * part // 4] + 1, "silence", down, fresh=False))
            for way, (_, ends) in measured.items()
            for part in range(4)
        ]
        verdict = judge(runs, lab.ledger)

    assert [] == verdict.wrong
    assert len(runs) == verdict.counts["cuts"]


def test_a_clean_run_leaves_nothing_and_does_everything_once(tmp_path):
    """Or the counts of the others would mean nothing."""
    with Lab(directory=tmp_path) as lab:
        run = lab.run(lab.client(Ours), None)
        counts = judge([run], lab.ledger).counts

    assert run.connected
    assert ["done"] * 4 == [told.how for told in run.told]
    assert [1, 1] == [lab.ledger.ran[told.sql] for told in run.told if told.write]
    assert ["1g", "1g"] == [lab.ledger.limits[told.sql] for told in run.told if told.write]
    assert not any(counts.values())


def test_what_the_driver_counts_it_can_see(tmp_path):
    """A write that ran twice, one that did not run, and one that failed and ran are found out."""
    with Lab(directory=tmp_path) as lab:
        run = lab.run(lab.client(Ours), None)
        lab.ledger.read()
        create, insert = (told for told in run.told if told.write)
        lab.ledger.ran[create.sql] = 2
        lab.ledger.ran[insert.sql] = 0
        found = judge([run], lab.ledger)
        insert.how = "failed"
        lab.ledger.ran[insert.sql] = 1
        later = judge([run], lab.ledger)

    assert (1, 1) == (found.counts["run twice"], found.counts["reported done, ran not"])
    assert 1 == later.counts["reported failed, ran later"]
    assert 1 == len(found.wrong)
