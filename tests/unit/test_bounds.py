"""
Replies that cannot be meant: a clear error, in bounded time and memory.

A server goes wrong in the middle of a reply, with and without SASL: a length of two gigabytes that
never come, or that never end, a list without an end, bytes of something else.  The client is a
process of its own, which measures itself: a memory that is used up stays so in a process.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from impala._thrift_gen.ImpalaService import ImpalaHiveServer2Service
from impala._thrift_gen.TCLIService import TCLIService
from loopback import Answers, Peer, hiveserver2

pytestmark = [pytest.mark.slow(25), pytest.mark.timeout(120)]

PATIENCE = 0.5  # seconds that the client waits for a read
LONGEST = 20.0  # seconds for all that a call does: a hang, not a measurement
MOST = 192  # MiB that a call may need to find out that a reply is none
RPCS = ("OpenSession", "ExecuteStatement", "GetOperationStatus", "FetchResults")

CLIENT = """
import json, sys, time
import impala_ha

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

def run(options):
    began, before, error = time.monotonic(), peak(), None
    try:
        with impala_ha.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.fetchall()
    except Exception as raised:
        error = raised
    return {
        "error": None if error is None else str(error),
        "class": type(error).__name__,
        "pep249": isinstance(error, impala_ha.Error),
        "seconds": time.monotonic() - began,
        "mebibytes": peak() - before,
    }

for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
"""

VERSION = 0x80010000
STRUCT, MAP, LIST, STRING, I32 = 12, 13, 15, 11, 8
HUGE = 2**31 - 1


def head(name, number):
    """The head of a good reply, as far as the status in it."""
    raw = name.encode()
    begin = struct.pack(">II", VERSION | 2, len(raw)) + raw + struct.pack(">I", number)
    return begin + struct.pack(">bhbh", STRUCT, 0, STRUCT, 1)


def long_string(name, number):
    """Its words are said to have two gigabytes."""
    return head(name, number) + struct.pack(">bhI", STRING, 5, HUGE) + b"x" * 100


def long_list(name, number):
    return head(name, number) + struct.pack(">bhbI", LIST, 2, STRING, HUGE)


def long_map_that_nobody_knows(name, number):
    return head(name, number) + struct.pack(">bhbbI", MAP, 99, I32, I32, HUGE)


def below_nothing(name, number):
    return head(name, number) + struct.pack(">bhi", STRING, 5, -7)


def a_nest_without_an_end(name, number):
    return head(name, number) + struct.pack(">bh", STRUCT, 99) * 1_000_000


def a_type_that_is_none(name, number):
    return head(name, number) + struct.pack(">bh", 77, 1) + b"\x01\x02" * 50


def http(name, number):
    return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 3


def noise(name, number):
    """Bytes that mean nothing, the same in each run."""
    return head(name, number)[:-3] + bytes(number * 37 % 251 for number in range(1, 5000))


GARBAGE = [
    long_string,
    long_list,
    long_map_that_nobody_knows,
    below_nothing,
    a_nest_without_an_end,
    a_type_that_is_none,
    http,
    noise,
]


class Wrong(ImpalaHiveServer2Service.Processor):
    """
    Answers one kind of call with what is no reply.

    Args:
        answers: What all other calls are answered with.
        rpc: Which call.
        garbage: What is sent, by name and number of the call.
        forever: Whether more bytes follow until the client has gone.
        framed: Whether it comes in a frame, where there are any.
    """

    def __init__(self, answers, rpc, garbage, *, forever=False, framed=True):
        super().__init__(answers)
        self._rpc, self._garbage, self._forever, self._framed = rpc, garbage, forever, framed

    def process(self, iprot, oprot):
        name, _, number = iprot.readMessageBegin()
        if name != self._rpc:
            self._processMap[name](self, number, iprot, oprot)
            return True
        getattr(TCLIService, f"{name}_args")().read(iprot)
        iprot.readMessageEnd()
        transport = oprot.trans if self._framed else _inner(oprot.trans)
        transport.write(self._garbage(name, number))
        transport.flush()
        while self._forever:
            transport.write(b"x" * 2**20)
            transport.flush()
        return True


def _inner(transport):
    framed = getattr(transport, "_TFramedTransport__trans", None)
    return framed or transport


@pytest.fixture(scope="module")
def measured():
    """Run the program in its process, and hand out what it says."""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CLIENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )

    def run(peer, sasl, **options):
        options = {
            "host": peer.coordinator.host,
            "port": peer.coordinator.port,
            "timeout": PATIENCE,
            "connect_timeout": PATIENCE,
            "deadline": 1,
            "hedge_after": 0,
            **({"auth_mechanism": "PLAIN", "user": "etl", "password": "right"} if sasl else {}),
            **options,
        }
        program.stdin.write(json.dumps(options) + "\n")
        program.stdin.flush()
        timer = threading.Timer(LONGEST * 2, program.kill)
        timer.start()
        line = program.stdout.readline()
        timer.cancel()
        assert line, "the client was killed, by us for taking too long or by the system"
        return json.loads(line)

    yield run
    with suppress(OSError):
        program.stdin.close()
    program.wait(10)
    program.stdout.close()


def serving(sasl, **wrong):
    """A peer that answers one kind of call wrong."""
    answers = Answers()
    users = {"etl": "right"} if sasl else None
    return Peer(hiveserver2(answers, lambda given: Wrong(given, **wrong), users))


@pytest.fixture(params=[False, True], ids=["NOSASL", "PLAIN"])
def sasl(request):
    return request.param


def test_a_good_reply_is_read(measured, sasl):
    """Or the others would show nothing."""
    with Peer(hiveserver2(Answers(), users={"etl": "right"} if sasl else None)) as peer:
        assert None is measured(peer, sasl)["error"]


@pytest.mark.parametrize("rpc", RPCS)
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: garbage.__name__)
def test_what_is_no_reply_is_told_soon_and_costs_no_memory(measured, sasl, rpc, garbage):
    with serving(sasl, rpc=rpc, garbage=garbage) as peer:
        told = measured(peer, sasl)

    assert told["pep249"], told
    assert peer.coordinator.host in told["error"]
    assert told["seconds"] < LONGEST
    assert told["mebibytes"] < MOST


@pytest.mark.parametrize("garbage", [long_string, long_list, below_nothing])
def test_what_never_ends_is_not_collected(measured, sasl, garbage):
    with serving(sasl, rpc="FetchResults", garbage=garbage, forever=True) as peer:
        told = measured(peer, sasl)

    assert told["pep249"], told
    assert told["seconds"] < LONGEST
    assert told["mebibytes"] < MOST


@pytest.mark.parametrize("size", [2**29 + 1, HUGE, 2**32 - 1])
@pytest.mark.parametrize("rpc", RPCS)
def test_a_frame_that_is_too_long_is_refused_at_its_head(measured, rpc, size):
    def frame(*_):
        return struct.pack(">I", size) + b"x" * 100

    with serving(True, rpc=rpc, garbage=frame, framed=False, forever=True) as peer:
        told = measured(peer, sasl=True)

    assert f"a frame of {size} bytes is longer than the limit" in told["error"]
    assert told["seconds"] < LONGEST
    assert told["mebibytes"] < MOST
