"""Packages with one face: tokens, protection, and what they say when they refuse.

The system's library has the same tests with a real KDC, in `tests/contract`.
"""

import sys
from types import SimpleNamespace

import pytest
from gss_packages import NO_TICKET, Realm, gssapi, kerberos

from impala_ha.auth import gss_backends, gss_library
from impala_ha.auth.gss_backends import (
    GssapiContext,
    KerberosContext,
    SystemContext,
    begin,
    choose,
)
from impala_ha.auth.gss_context import ContextParameters
from impala_ha.core.extras import MissingExtra
from impala_ha.core.kerberos_errors import GSSError, to_gss_error

A = ContextParameters("impala", "a")
KEYTAB = ContextParameters("impala", "a", "etl", "/etl.keytab")
NO_FILE = "libgssapi_krb5.so.none"


@pytest.fixture
def realm(monkeypatch):
    found = Realm()
    found.keytabs["/etl.keytab"] = "etl"
    monkeypatch.setitem(sys.modules, "kerberos", kerberos(found))
    monkeypatch.setitem(sys.modules, "gssapi", gssapi(found))
    monkeypatch.setattr(gss_library, "FILE", NO_FILE)
    monkeypatch.setattr(gss_backends, "_HELD", {})
    return found


@pytest.fixture(params=["kerberos", "gssapi"])
def package(request):
    return request.param


def without(monkeypatch, *packages):
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_context_is_established_in_two_steps(realm, package):
    context, token = begin(A, package)

    assert (b"hello impala@a", False) == (token, context.complete)
    assert (b"", True) == (context.step(b"welcome"), context.complete)


def test_whose_ticket_it_is_is_known_before_and_after(realm, package):
    for client in (None, "etl"):
        context, _ = begin(ContextParameters("impala", "a", client), package)
        assert "etl" == context.initiator
        context.step(b"welcome")
        assert "etl" == context.initiator


def test_a_context_is_not_complete_without_the_servers_part(realm):
    context, _ = begin(A, "gssapi")
    context.step(b"welcome")
    context._context.actual_flags &= ~1

    assert not context.complete


def test_what_is_wrapped_can_be_unwrapped(realm, package):
    context, _ = begin(A, package)

    assert (b"Scba", b"Ecba") == tuple(context.wrap(b"abc", encrypt=e) for e in (False, True))
    assert [(b"abc", False), (b"abc", True)] == [context.unwrap(w) for w in (b"Scba", b"Ecba")]


def test_a_wrong_token_is_reported(realm, package):
    context, _ = begin(A, package)

    with pytest.raises(GSSError, match=r"Message stream modified \(minor status -1765328343\)"):
        context.step(b"?")
    with pytest.raises(GSSError, match="Token header is malformed"):
        context.unwrap(b"?")


def test_a_refusal_has_the_librarys_words_its_name_and_what_was_asked_for(realm, package):
    realm.refusals.append(("Ticket abgelaufen", -1765328352))

    with pytest.raises(GSSError) as caught:
        begin(A, package)

    assert "KRB5KRB_AP_ERR_TKT_EXPIRED" == caught.value.name
    assert str(caught.value) == (
        "Ticket abgelaufen (KRB5KRB_AP_ERR_TKT_EXPIRED), asking for impala/a"
    )


def test_a_principal_must_have_a_ticket(realm, package):
    begin(ContextParameters("impala", "a", "etl"), package)

    assert [("impala@a", "etl", None)] == realm.asked
    with pytest.raises(GSSError, match="KRB5_CC_NOTFOUND"):
        begin(ContextParameters("impala", "a", "bob"), package)


def test_a_keytab_fills_a_cache_of_its_own(realm):
    realm.tickets.clear()

    begin(KEYTAB, "auto")
    begin(ContextParameters("impala", "a", None, "/etl.keytab"), "gssapi")

    assert realm.asked == [
        ("impala@a", "etl", "MEMORY:impala-ha:etl:/etl.keytab"),
        ("impala@a", None, "MEMORY:impala-ha::/etl.keytab"),
    ]


def test_tickets_of_a_keytab_can_be_used_without_it(realm):
    old = ContextParameters("impala", "a", "etl", "/etl.keytab", renew=False)
    with pytest.raises(GSSError, match="no tickets were acquired with /etl.keytab yet"):
        begin(old, "auto")
    begin(KEYTAB, "auto")
    realm.keytabs.clear()

    begin(old, "auto")

    assert 2 == len(realm.asked)


def test_a_cache_that_is_empty_for_a_moment_is_looked_at_once_more(realm):
    """Another thread may just be renewing what is in it."""
    realm.refusals.append(NO_TICKET)
    assert b"hello impala@a" == begin(KEYTAB, "auto")[1]

    realm.refusals += [NO_TICKET, NO_TICKET]
    with pytest.raises(GSSError, match="KRB5_CC_NOTFOUND"):
        begin(KEYTAB, "auto")


@pytest.mark.parametrize("status", [NO_TICKET, ("Ticket expired", -1765328352)])
def test_no_other_refusal_is_asked_for_twice(realm, package, status):
    realm.refusals.append(status)
    with pytest.raises(GSSError):
        begin(A, package)

    realm.refusals.append(("Ticket expired", -1765328352))
    with pytest.raises(GSSError, match="TKT_EXPIRED"):
        begin(KEYTAB, "auto")
    assert [] == realm.asked


@pytest.fixture
def system(realm, monkeypatch):
    """A library of the system that is there, as far as anybody looks before it is called."""
    library = SimpleNamespace(takes_keytabs=True)
    monkeypatch.setattr(gss_backends, "load", lambda: library)
    return library


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("keytab", [False, True])
def test_the_systems_library_goes_before_the_packages(monkeypatch, keytab):
    assert SystemContext is choose("auto", keytab=keytab)

    without(monkeypatch, "kerberos", "gssapi")
    assert SystemContext is choose("auto", keytab=keytab) is choose("system", keytab=keytab)


def test_a_library_of_the_system_without_keytabs_is_good_for_the_rest(system, monkeypatch):
    """As Heimdal's, and MIT's before 1.11."""
    system.takes_keytabs = False

    assert SystemContext is choose("auto", keytab=False)
    assert GssapiContext is choose("auto", keytab=True)
    without(monkeypatch, "gssapi")
    for backend in ("auto", "system"):
        with pytest.raises(MissingExtra, match=r"no tickets with a keytab .*`kinit -k -t KEYTAB"):
            choose(backend, keytab=True)


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize(
    ("backend", "keytab", "gone", "kind"),
    [
        ("auto", False, (), GssapiContext),
        ("auto", False, ("gssapi",), KerberosContext),
        ("auto", False, ("kerberos",), GssapiContext),
        ("auto", True, ("kerberos",), GssapiContext),
        ("kerberos", False, ("gssapi",), KerberosContext),
        ("gssapi", False, ("kerberos",), GssapiContext),
    ],
)
def test_the_package_that_is_there_and_can_do_it_is_taken(monkeypatch, backend, keytab, gone, kind):
    without(monkeypatch, *gone)

    assert kind is choose(backend, keytab=keytab)


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize(
    ("backend", "keytab", "gone"),
    [("kerberos", False, ("kerberos",)), ("gssapi", False, ("gssapi",))],
)
def test_a_package_that_is_not_there_is_told_with_what_to_type(monkeypatch, backend, keytab, gone):
    without(monkeypatch, *gone)

    with pytest.raises(MissingExtra, match=rf"pip install 'impala-ha\[{backend}\]'.*libkrb5-dev"):
        choose(backend, keytab=keytab)


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize(
    ("file", "why"),
    [(NO_FILE, "cannot open shared object file"), ("libc.so.6", "undefined symbol: gss_")],
)
def test_a_library_that_is_not_there_is_told_with_what_brings_it(monkeypatch, file, why):
    without(monkeypatch, "kerberos", "gssapi")
    monkeypatch.setattr(gss_library, "FILE", file)

    for backend in ("auto", "system"):
        with pytest.raises(MissingExtra) as caught:
            choose(backend, keytab=False)
        said = str(caught.value)
        assert f"{file}: {why}" in said
        assert "`apt install libgssapi-krb5-2`" in said
        assert "`dnf install krb5-libs`" in said
        assert "`apk add krb5-libs`" in said


class Shapeless(Exception):
    """A status in a form that nobody foresaw."""

    maj_code, min_code = 11 << 16, 0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Exception("what?"), "what? (minor status 0), x"),
        (Exception((1, 2), 3), "((1, 2), 3) (minor status 0), x"),
        (Exception(("No cred", 7 << 16), ("", 0)), "No cred (GSS_S_NO_CRED), x"),
        (Shapeless("expired"), "expired (GSS_S_CREDENTIALS_EXPIRED), x"),
        (
            Exception(("Ticket expired", 11 << 16), ("Success", 100001)),
            "Ticket expired (GSS_S_CREDENTIALS_EXPIRED), x",
        ),
        (
            Exception(("The context has expired", 12 << 16), ("Success", 100001)),
            "The context has expired (GSS_S_CONTEXT_EXPIRED), x",
        ),
    ],
)
def test_what_has_another_form_is_reported_all_the_same(error, text):
    assert text == str(to_gss_error(error, "x"))
