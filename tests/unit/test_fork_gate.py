"""Forks while a library with locks of its own is called: the child finds none of them taken."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from impala_ha.core.forks import Gate

pytestmark = pytest.mark.timeout(30)

#: A call is under way, and holds a lock of the library, until the fork has begun (and a bit).
HELD = """
import os, sys, threading

held, forking, forked = threading.Lock(), threading.Event(), threading.Event()
begun = threading.Event()

def hold(*_):
    with held:
        begun.set()
        forking.wait()
        forked.wait(0.3)
    return b"hello"

{}

os.register_at_fork(before=forking.set, after_in_parent=forked.set)
thread = threading.Thread(target=call)
thread.start()
begun.wait()
pid = os.fork()
if not pid:
    os._exit(held.locked())
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

LOGIN = """
from gss_packages import Realm, gssapi, kerberos
from impala_ha.auth.gss_backends import begin
from impala_ha.auth.gss_context import ContextParameters

realm = Realm()
sys.modules["kerberos"], sys.modules["gssapi"] = kerberos(realm), gssapi(realm)
realm.token = hold

def call():
    begin(ContextParameters("impala", "a"), "{}")
"""

CALLS = {
    "a login by kerberos": LOGIN.format("kerberos"),
    "a login by gssapi": LOGIN.format("gssapi"),
    "a look-up of a name": """
import socket, time
from impala_ha.core.clock import SystemClock
from impala_ha.net.sockets import Socket

socket.getaddrinfo = hold

def call():
    asked = Socket("coord1.example", 21050, SystemClock())
    asked.set_deadline(20)
    try:
        asked.open()
    except Exception:
        pass
""",
    "a source of hosts": """
from impala_ha.balancing.host_source import resolved

class Source:
    key, interval, remedy, resolve = "", 1.0, "", hold

def call():
    try:
        resolved(Source(), 20)
    except Exception:
        pass
""",
    "an observer": """
from impala_ha.core import observers

class Observer:
    started = hold

observers.add(Observer())

def call():
    observers.started(None)
""",
    "an import": """
from importlib.machinery import ModuleSpec
from impala_ha.core.extras import import_extra

class Finder:
    create_module = staticmethod(lambda *_: None)
    exec_module = staticmethod(hold)

    def find_spec(self, name, *_):
        return ModuleSpec(name, self) if name == "slow" else None

sys.meta_path.insert(0, Finder())

def call():
    import_extra("slow", "web")
""",
}


@pytest.mark.parametrize("what", CALLS)
def test_a_call_that_may_hold_a_lock_has_ended_at_the_moment_of_a_fork(what):
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HELD.format(CALLS[what])],
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
    gate._changed.wait = pytest.fail  # for whom?
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
    assert not gate._until, "the call is over, and not only too long"
    gate.reopen()
    thread.join(10)
