"""Forks while a library with locks of its own is called: the child finds none of them taken."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from impala_ha.core.forks import Gate

pytestmark = pytest.mark.timeout(30)

#: A login is under way, and holds a lock of the library, until the fork has begun (and a bit).
HELD = """
import os, sys, threading
from unit_realm import library
from impala_ha.auth import gss_backends
from impala_ha.auth.gss_backends import begin
from impala_ha.auth.gss_context import ContextParameters

held, forking, forked = threading.Lock(), threading.Event(), threading.Event()
begun = threading.Event()

def token(*_):
    with held:
        begun.set()
        forking.wait()
        forked.wait(0.3)
    return b"hello"

realm = library()
realm.token = token
os.register_at_fork(before=forking.set, after_in_parent=forked.set)
thread = threading.Thread(target=begin, args=(ContextParameters("impala", "a"), sys.argv[1]))
thread.start()
begun.wait()
pid = os.fork()
if not pid:
    os._exit(held.locked())
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

UNIT_REALM = """
import sys
from gss_packages import Realm, gssapi, kerberos
def library():
    realm = Realm()
    sys.modules["kerberos"], sys.modules["gssapi"] = kerberos(realm), gssapi(realm)
    return realm
"""


@pytest.mark.parametrize("package", ["kerberos", "gssapi"])
def test_no_login_is_under_way_at_the_moment_of_a_fork(package, tmp_path):
    (tmp_path / "unit_realm.py").write_text(UNIT_REALM)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HELD, package],
        env={**os.environ, "PYTHONPATH": path},
        timeout=25,
        check=False,
    )

    assert 0 == done.returncode


@pytest.fixture
def gate():
    return Gate()


def test_what_comes_meanwhile_waits_for_the_end_of_the_fork(gate):
    passed = threading.Event()

    def pass_it():
        with gate.passing():
            passed.set()

    gate.close()
    thread = threading.Thread(target=pass_it)
    thread.start()
    assert not passed.wait(0.05)
    gate.reopen()
    thread.join(10)

    assert passed.is_set()


def test_who_forks_is_not_kept_out(gate):
    """Other hooks may use a connection before the fork."""
    gate.close()
    with gate.passing():
        pass
    gate.reopen()


def test_a_fork_does_not_wait_for_a_call_that_takes_long(gate):
    """It waits for a KDC that is dead."""
    begun, over = threading.Event(), threading.Event()

    def hang():
        with gate.passing():
            begun.set()
            over.wait(25)

    thread = threading.Thread(target=hang)
    thread.start()
    begun.wait(10)
    gate.close()
    gate.reopen()
    assert thread.is_alive()
    over.set()
    thread.join(10)


def test_a_handler_may_fork_in_the_middle_of_a_call_of_its_thread(gate):
    with gate.passing():
        gate.close()
        gate.reset()  # in the child

    with gate.passing():
        pass


def test_a_call_within_a_call_does_not_wait_for_the_fork_that_waits_for_it(gate):
    """What the library allocated is released in the middle of another call."""
    within, closing = threading.Event(), threading.Event()

    def call():
        with gate.passing():
            within.set()
            closing.wait(10)
            with gate.passing():
                pass

    def wait(seconds):
        closing.set()
        return threading.Condition.wait(gate._changed, seconds)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    within.wait(10)
    gate._changed.wait = wait
    gate.close()
    assert not gate._since, "the call is over, and not only too long"
    gate.reopen()
    thread.join(10)
