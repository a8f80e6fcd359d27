"""The first token: for whom, in time, by which tickets, and what is told when there is none."""

import base64
import logging
import socket
import struct
import sys
import threading

import pytest
from gss_packages import NO_TICKET, Realm, gssapi
from gss_packages import kerberos as package
from loopback import Peer, exactly

from impala_ha.auth import gss_backends, gss_library, kerberos
from impala_ha.core.clock import SystemClock
from impala_ha.core.extras import MissingExtra
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.kerberos_errors import GSSError
from impala_ha.core.model import Coordinator
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options
from impala_ha.testing.fakes import FakeClock

A = Coordinator("a")
ADDRESS = Coordinator("10.0.0.1")
LIMIT = 30.0
BY_KEYTAB = {"principal": "etl", "keytab": "/etl.keytab"}


@pytest.fixture
def realm(monkeypatch):
    found = Realm()
    found.keytabs["/etl.keytab"] = "etl"
    monkeypatch.setitem(sys.modules, "kerberos", package(found))
    monkeypatch.setitem(sys.modules, "gssapi", gssapi(found))
    monkeypatch.setattr(gss_library, "FILE", "libgssapi_krb5.so.none")
    monkeypatch.setattr(gss_backends, "_HELD", {})
    monkeypatch.setattr(kerberos, "_HANGS", {})
    monkeypatch.setattr(kerberos, "_TICKETS", {})
    monkeypatch.setattr(kerberos, "_REQUESTS", {})
    return found


def token(where=A, limit=LIMIT, clock=None, **options):
    words = Options(auth_mechanism="GSSAPI", **options)
    return base64.b64decode(kerberos.negotiate(words, where, clock or FakeClock(), limit).token)


@pytest.mark.usefixtures("realm")
def test_a_token_is_for_one_coordinator(caplog):
    caplog.set_level(logging.DEBUG, "impala_ha")

    assert b"hello impala@a" == token()
    assert b"hello hive@x.test" == token(krb_host="x.test", kerberos_service_name="hive")
    assert "a token for impala/a after 0.000 s" in caplog.text


@pytest.mark.usefixtures("realm")
def test_the_answer_to_a_token_is_verified():
    def answered(text):
        words = Options(auth_mechanism="GSSAPI", kerberos_backend="gssapi")
        return kerberos.negotiate(words, A, FakeClock(), LIMIT).verify(text)

    answered(base64.b64encode(b"welcome").decode())
    for wrong in ("!!!", base64.b64encode(b"garbage").decode()):
        with pytest.raises(GSSError, match="did not prove who it is"):
            answered(wrong)


@pytest.mark.usefixtures("realm")
def test_sasl_begins_with_it():
    sasl = kerberos.login(Options(auth_mechanism="GSSAPI"), A, FakeClock(), LIMIT)
    transport = kerberos.sasl_transport(sasl, None)

    assert (sasl, "GSSAPI") == (transport.sasl_client_factory(), transport.mechanism)
    assert (True, "GSSAPI", b"hello impala@a") == sasl.start("GSSAPI")
    assert "hive/a" == kerberos.service(Options(kerberos_service_name="hive"), A)


def test_no_ticket_is_reported(realm):
    realm.tickets.clear()

    with pytest.raises(GSSError, match=r"\(KRB5_CC_NOTFOUND\), asking for impala/a"):
        token()


def test_the_service_whose_ticket_is_missing_is_named(realm):
    missing = "Matching credential not found (filename: /tmp/cc)"
    realm.refusals.append((missing, -1765328243))

    with pytest.raises(GSSError) as caught:
        token()

    assert str(caught.value).startswith(
        f"no ticket for impala/a in the credential cache, and none to ask the KDC with: {missing}"
    )


def test_a_package_that_is_not_there_is_reported_before_anything_is_opened(realm, monkeypatch):
    kerberos.check(Options(auth_mechanism="GSSAPI"))
    monkeypatch.setitem(sys.modules, "gssapi", None)

    with pytest.raises(MissingExtra):
        kerberos.check(Options(auth_mechanism="GSSAPI", keytab="/etl.keytab"))


# An address and its name.


@pytest.fixture
def names(monkeypatch):
    found = {"10.0.0.1": "A.Test."}

    def getnameinfo(address, flags):
        assert flags == socket.NI_NAMEREQD
        if address[0] not in found:
            raise socket.gaierror(-2, "Name or service not known")
        return found[address[0]], "0"

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    return found


@pytest.mark.usefixtures("realm", "names")
def test_an_address_is_looked_up_when_asked():
    assert b"hello impala@10.0.0.1" == token(ADDRESS)
    assert b"hello impala@a.test" == token(ADDRESS, krb_canonicalize=True)
    assert b"hello impala@lb" == token(ADDRESS, krb_canonicalize=True, krb_host="lb")
    assert b"hello impala@a" == token(A, krb_canonicalize=True)


@pytest.mark.usefixtures("realm", "names")
def test_an_address_without_a_name_is_reported():
    with pytest.raises(GSSError, match="10.0.0.9 has no name") as caught:
        token(Coordinator("10.0.0.9"), krb_canonicalize=True)

    assert Fault.MISNAMED is classify(caught.value, Phase.TICKET)


# In time.


@pytest.fixture
def hanging(monkeypatch):
    """Let the library hang when it is told to; the orders that it was given."""
    orders, gate = [], threading.Event()
    begin = gss_backends.begin

    def hang(login, backend):
        orders.append(login)
        if hang.hangs(login):
            gate.wait(30)
            raise GSSError("nobody waits for this any more")
        return begin(login, backend)

    monkeypatch.setattr(kerberos, "begin", hang)
    hang.hangs, hang.orders = (lambda _: True), orders
    yield hang
    gate.set()


@pytest.mark.usefixtures("realm", "hanging")
@pytest.mark.parametrize("options", [{}, BY_KEYTAB], ids=["cache", "keytab"])
def test_a_library_that_hangs_is_left_behind(options):
    with pytest.raises(GSSError, match=r"within 0.02 s \(KRB5_KDC_UNREACH\), asking for impala/a"):
        token(limit=0.02, **options)


@pytest.mark.usefixtures("realm")
def test_tickets_that_cannot_be_renewed_are_used_as_they_are(hanging):
    """And for a while nobody waits for the KDC first."""
    clock = FakeClock()
    hanging.hangs = lambda _: False
    token(**BY_KEYTAB)
    hanging.hangs = lambda login: login.renew

    for _ in range(2):
        assert b"hello impala@a" == token(limit=0.1, clock=clock, **BY_KEYTAB)
    clock.time += 31
    assert b"hello impala@a" == token(limit=0.1, clock=clock, **BY_KEYTAB)

    assert [True, True, False, False, True, False] == [login.renew for login in hanging.orders]


def test_tickets_that_are_no_good_any_more_are_renewed_after_all(realm, hanging, monkeypatch):
    whose = (("etl", "/etl.keytab"), None, None)
    for name in ("KRB5_CONFIG", "KRB5CCNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(kerberos._HANGS, whose, 2000.0)
    hanging.hangs = lambda _: False

    assert b"hello impala@a" == token(**BY_KEYTAB)

    assert [False, True] == [login.renew for login in hanging.orders]


def test_what_the_kdc_says_to_a_keytab_is_reported(realm):
    realm.refusals.append(("Preauthentication failed", -1765328360))

    with pytest.raises(GSSError, match="KRB5KDC_ERR_PREAUTH_FAILED"):
        token(**BY_KEYTAB)


@pytest.mark.parametrize(("principal", "told"), [("bob", "no key of bob in the keytab /etl.key")])
def test_a_principal_without_a_key_is_reported_as_that(realm, principal, told):
    with pytest.raises(GSSError, match=told):
        token(principal=principal, keytab="/etl.keytab")


def test_an_empty_keytab_has_a_key_of_nobody(realm):
    refusal = ("No credentials cache found", -1765328189)
    realm.refusals += [refusal, refusal]

    with pytest.raises(GSSError, match="no key of anybody in the keytab /etl.keytab"):
        token(keytab="/etl.keytab")


# A KDC that is away.

AWAY = ("Cannot contact any KDC for realm 'X'", -1765328228)


def test_a_kdc_is_not_asked_for_the_same_ticket_again_and_again(realm):
    clock = FakeClock()
    for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        realm.refusals.append(AWAY)
        for _ in range(3):
            with pytest.raises(GSSError, match=r"Cannot contact any KDC .*asking for impala/a"):
                token(clock=clock)
        assert [] == realm.refusals
        clock.time += pause + 0.001

    assert b"hello impala@a" == token(clock=clock)


def test_the_ticket_of_another_coordinator_may_be_at_hand(realm):
    clock = FakeClock()
    realm.refusals.append(AWAY)
    with pytest.raises(GSSError, match="KDC_UNREACH"):
        token(clock=clock)

    assert b"hello impala@b" == token(Coordinator("b"), clock=clock)
    with pytest.raises(GSSError, match="KDC_UNREACH"):
        token(clock=clock)


def test_what_is_remembered_of_a_kdc_is_bounded(realm, monkeypatch):
    monkeypatch.setattr(kerberos, "_MOST_REQUESTS", 3)
    for number in range(5):
        realm.refusals.append(AWAY)
        with pytest.raises(GSSError):
            token(Coordinator(f"c{number}"))

    assert 3 == len(kerberos._REQUESTS)


def test_who_asks_without_an_answer_is_left_behind_and_nobody_joins_it(realm, monkeypatch):
    clock, answered, asked = FakeClock(), threading.Event(), []

    def begin(login, backend):
        asked.append(str(login))
        answered.wait(30)
        return gss_backends.begin(login, backend)

    monkeypatch.setattr(kerberos, "begin", begin)
    for _ in range(3):
        with pytest.raises(GSSError, match="no answer from the Kerberos library or the KDC"):
            token(limit=0.05, clock=clock)
        clock.time += 100
    answered.set()
    _ended("ticket for impala/a")

    assert b"hello impala@a" == token(clock=clock)
    assert ["impala/a"] * 2 == asked


def _ended(name):
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(30)


# Tickets that are older than the keys of the coordinator.


def test_only_a_ticket_that_is_not_new_is_replaced_and_not_again_and_again():
    tickets = kerberos.Tickets()
    assert not tickets.renew(None, now=0.0)
    assert tickets.renew(0, now=0.0)
    assert (1, False) == (tickets.cache, tickets.some)
    assert not tickets.renew(1, now=29.0)
    assert tickets.renew(1, now=30.0)
    assert not tickets.renew(2, now=89.0), "twice as long"

    tickets.accepted()
    assert tickets.renew(2, now=89.0)


def test_one_that_somebody_else_replaced_meanwhile_is_shown():
    tickets = kerberos.Tickets()
    tickets.renew(0, now=0.0)

    assert tickets.renew(0, now=0.0)
    assert 1 == tickets.cache


def test_where_none_is_to_be_had_those_of_before_are_still_there(realm):
    login = Options(auth_mechanism="GSSAPI", **BY_KEYTAB)
    old = kerberos.login(login, A, FakeClock(), LIMIT)
    assert not old.renew()
    assert kerberos.login(login, A, FakeClock(), LIMIT).renew()
    realm.refusals.append(("Cannot contact any KDC", -1765328228))
    with pytest.raises(GSSError, match="KDC_UNREACH"):
        kerberos.login(login, A, FakeClock(), LIMIT)

    kerberos.login(login, A, FakeClock(), LIMIT)
    assert ["MEMORY:impala-ha:etl:/etl.keytab"] * 3 == [cache for *_, cache in realm.asked]


def test_a_new_one_lies_in_a_cache_of_its_own(realm):
    login = Options(auth_mechanism="GSSAPI", **BY_KEYTAB)
    for _ in range(2):
        sasl = kerberos.login(login, A, FakeClock(), LIMIT)
    sasl.renew()
    kerberos.login(login, A, FakeClock(), LIMIT)

    assert "MEMORY:impala-ha:etl:/etl.keytab:impala/a:1" == realm.asked[-1][-1]


# What the driver makes of it.


def test_a_ticket_that_cannot_be_had_is_no_matter_of_the_coordinator(realm):
    realm.refusals.append(NO_TICKET)
    driver = ImpylaDriver(Options(auth_mechanism="GSSAPI"), SystemClock())

    with pytest.raises(CallFailed) as caught:
        driver.open(Coordinator("no such host"), "etl", {}, LIMIT)

    assert Phase.TICKET is caught.value.phase
    assert Fault.DENIED is classify(caught.value.__cause__, Phase.TICKET)
    realm.refusals.append(NO_TICKET)
    assert "" == driver.probe(A, "etl"), "it is alive for all that we know"


def message(connection):
    """Status and payload of one message of SASL."""
    status, size = struct.unpack(">BI", exactly(connection, 5))
    return status, exactly(connection, size)


def accepting(connection):
    """A server that offers a login without protection."""
    assert [(1, b"GSSAPI"), (2, b"hello impala@a")] == [message(connection), message(connection)]
    connection.sendall(struct.pack(">BI", 2, 7) + b"welcome")
    assert (2, b"") == message(connection)
    connection.sendall(struct.pack(">BI", 2, 5) + b"S\0\0\0\1")
    assert (2, b"S\xff\xff\xff\1") == message(connection)
    connection.sendall(struct.pack(">BI", 5, 0))
    exactly(connection, 1 << 30)


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize("package", ["kerberos", "gssapi"])
def test_the_driver_logs_in_with_the_token_that_it_has(package):
    driver = ImpylaDriver(
        Options(auth_mechanism="GSSAPI", krb_host="a", kerberos_backend=package), SystemClock()
    )
    with Peer(accepting) as peer:
        service = driver.connect(peer.coordinator, "etl", LIMIT)

        assert 1 == peer.accepted
        service.client.transport.close()
