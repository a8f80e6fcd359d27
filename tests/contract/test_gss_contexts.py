"""Security contexts of each backend with a real KDC: what they show, what they leave, whose they are."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from kerberized import MARKS, acceptor, exchange

from impala_ha.auth.gss_backends import begin
from impala_ha.auth.gss_context import ContextParameters
from impala_ha.core.kerberos_errors import GSSError

pytestmark = MARKS

COORD1 = ContextParameters("impala", "coord1.test")
LONG = b"y\0" * 50_000


@pytest.fixture
def server(realm, monkeypatch):
    monkeypatch.setenv("KRB5RCACHENAME", "none:")  # of the acceptors in this process
    return lambda: acceptor(realm.server_keytab)


@pytest.mark.usefixtures("etl")
def test_both_sides_sign_and_encrypt(server, package, realm):
    context, token = begin(COORD1, package)
    other = server()
    assert not context.complete

    exchange(context, token, other)

    assert context.complete
    assert f"etl@{realm.name}" == context.initiator == str(other.initiator_name)
    for encrypt in (False, True):
        sent = other.unwrap(context.wrap(LONG, encrypt=encrypt))
        assert (LONG, encrypt) == (sent.message, sent.encrypted)
        assert (LONG, encrypt) == context.unwrap(other.wrap(LONG, encrypt).message)
    assert b"" == context.unwrap(other.wrap(b"", True).message)[0]


@pytest.mark.usefixtures("etl")
def test_what_was_changed_on_its_way_is_refused(server, package):
    context, token = begin(COORD1, package)
    other = server()
    exchange(context, token, other)
    wrapped = bytearray(other.wrap(LONG, True).message)
    wrapped[-1] ^= 1

    with pytest.raises(GSSError, match="asking for impala/coord1.test"):
        context.unwrap(bytes(wrapped))
    with pytest.raises(GSSError):
        begin(COORD1, package)[0].step(b"no token")


@pytest.mark.usefixtures("etl")
def test_the_system_reports_major_and_minor_status_with_their_texts(package):
    if package != "system":
        return
    with pytest.raises(GSSError) as caught:
        begin(ContextParameters("impala", "nope.test"), package)

    (major_text, major), (minor_text, minor) = caught.value.__cause__.args
    assert (13 << 16, -1765328377) == (major, minor)
    assert major_text.startswith("Unspecified GSS failure")
    assert "Server impala/nope.test@IMPALA-HA.TEST not found in Kerberos database" == minor_text


@pytest.mark.usefixtures("nobody")
def test_tickets_that_were_delegated_are_shown_as_the_users_own(
    realm, server, package, tmp_path, monkeypatch
):
    """A web server or a notebook's hub has tickets of its users, and keeps each in a file."""
    command = ["kinit", "-f", "-k", "-t", realm.keytab("etl"), "etl"]
    subprocess.run(command, check=True, timeout=30)
    other = server()
    client = delegating()
    exchange(client, client.step(), other)
    other.delegated_creds.store(store={"ccache": f"FILE:{tmp_path / 'of-etl'}"})
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'of-etl'}")

    context, token = begin(COORD1, package)
    exchange(context, token, server())

    assert f"etl@{realm.name}" == context.initiator


def delegating():
    import gssapi  # noqa: PLC0415 - the marks above have looked for it

    flag = gssapi.RequirementFlag
    return gssapi.SecurityContext(
        name=gssapi.Name("impala@coord1.test", gssapi.NameType.hostbased_service),
        usage="initiate",
        flags=flag.mutual_authentication | flag.delegate_to_peer,
    )


@pytest.mark.usefixtures("nobody")
def test_a_cache_may_be_a_directory(realm, server, package, tmp_path, monkeypatch):
    (tmp_path / "caches").mkdir()
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path / 'caches'}")
    realm.kinit("etl", f"DIR:{tmp_path / 'caches'}")

    context, token = begin(COORD1, package)
    exchange(context, token, server())

    assert f"etl@{realm.name}" == context.initiator


@pytest.mark.usefixtures("etl")
@pytest.mark.parametrize("own", [False, True])
def test_eight_threads_at_a_time(realm, server, by_keytab, own):
    who = ("etl", realm.keytab("etl")) if own else ()
    parameters = ContextParameters("impala", "coord1.test", *who)

    def log_in(number):
        context, token = begin(parameters, by_keytab)
        other = server()
        exchange(context, token, other)
        return other.unwrap(context.wrap(b"%d" % number, encrypt=True)).message

    with ThreadPoolExecutor(8) as threads:
        assert [b"%d" % n for n in range(200)] == list(threads.map(log_in, range(200)))


#: Arguments: backend, keytab of the client and of the coordinators.  Says by how many KiB this process grew.
GROWING = """
import json, resource, sys
from pathlib import Path
from impala_ha.auth.gss_backends import begin
from impala_ha.auth.gss_context import ContextParameters
from impala_ha.core.kerberos_errors import GSSError
from kerberized import acceptor, exchange
backend, keytab, services = sys.argv[1:]
keys = {"usual": (), "principal": ("etl",), "keytab": ("etl", keytab)}

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024

def log_in(*who):
    context, token = begin(ContextParameters("impala", "coord1.test", *who), backend)
    assert context.initiator
    other = acceptor(services)
    exchange(context, token, other)
    assert context.initiator
    context.unwrap(other.wrap(bytes(6000), True).message)
    context.wrap(bytes(6000), encrypt=True)

def fail(*who):
    try:
        begin(ContextParameters("impala", "nope.test", *who), backend)
    except GSSError:
        return
    raise AssertionError("nobody knows that service")

grown = {}
for what, who in keys.items():
    for work, times in ((log_in, 1000), (fail, 200)):
        for _ in range(100):
            work(*who)
        before = resident()
        for _ in range(times):
            work(*who)
        grown[f"{what} {work.__name__}"] = resident() - before
print(json.dumps(grown))
"""


@pytest.mark.slow(20)
@pytest.mark.usefixtures("etl")
def test_a_thousand_contexts_of_the_systems_library_leave_nothing(realm):
    """Of each, a buffer has 700 bytes, and a context some thousands."""
    words = ["system", realm.keytab("etl"), realm.server_keytab]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", GROWING, *words],
        env={**os.environ, "KRB5RCACHENAME": "none:", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert "" == done.stderr
    assert {} == {what: kib for what, kib in json.loads(done.stdout).items() if kib > 200}
