"""Loads are read from web servers of every kind of temper, within a limit, and fail nothing."""

import logging
import socket
import ssl
import threading
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from impala_ha import Cluster, Coordinator, State
from impala_ha.balancing import load_board
from impala_ha.balancing.load_board import REFUSED_FOR
from impala_ha.failover import load
from impala_ha.options.options import Options
from impala_ha.testing.fakes import FakeDriver
from load_pages import PASSWORD, USER, LoadPages, basic, digest

HOST = "127.29.0.2"
A, B = Coordinator(HOST), Coordinator("127.29.0.3")
OK = b"HTTP/1.1 200 OK\r\n"
PATIENT = 20.0  # seconds that are never used up


@pytest.fixture(autouse=True)
def fresh():
    load._WARNED.clear()


def read(port, *, cluster=None, **options):
    """The cluster after one reading of A."""
    cluster = cluster or Cluster([A, B], policy="least_loaded")
    options = Options(web_port=port, **{"web_timeout": PATIENT, **options})
    asked = [each for each in cluster.coordinators if each == A]
    load.read_loads(cluster, options, asked, load.read_load)
    return cluster


def told(cluster):
    return {c: t.load for c, t in cluster.board.reports([A, B], cluster.clock.now()).items()}


def test_what_the_pages_say_is_known_and_a_login_is_not_needed():
    with LoadPages(HOST) as pages:
        cluster = read(pages.port)

        assert {A: 0.25} == told(cluster)
        assert ["/jsonmetrics?json", "/varz?json", "/?json"] == pages.paths
        read(pages.port, cluster=cluster)
        assert 3 == len(pages.asked), "it is not due yet"


def test_the_service_threads_are_read_once(monkeypatch):
    monkeypatch.setattr(load_board, "INTERVAL", 0.0)
    with LoadPages(HOST) as pages:
        read(pages.port, cluster=read(pages.port))

        assert pages.paths.count("/varz?json") == 1 < pages.paths.count("/jsonmetrics?json")


def test_the_pages_are_where_each_coordinator_says_that_it_has_them():
    with LoadPages(HOST) as pages:
        cluster = Cluster([A, B], policy="least_loaded")
        link = FakeDriver().open(A, "etl", {}, 1.0)
        link.web_address = f"http://{HOST}:{pages.port}"
        load.note_port(cluster, Options(), link)
        load.read_loads(cluster, Options(web_timeout=PATIENT), [A, B], load.read_load)

        assert {A: 0.25} == told(cluster)


def test_other_policies_read_nothing():
    with LoadPages(HOST) as pages:
        read(pages.port, cluster=Cluster([A, B], policy="two_choices"))

        assert [] == pages.asked


def test_one_that_drains_is_left_before_anybody_meets_it(caplog):
    with LoadPages(HOST, quiescing=True) as pages:
        cluster = read(pages.port)

    assert [State.DRAINING, State.HEALTHY] == [each.state for each in cluster.snapshot()]
    assert {B} == {cluster.pick() for _ in range(20)}
    assert "is_quiescing" in caplog.text


def test_missing_pages_beside_the_first_are_no_obstacle():
    """As where --metrics_webserver_port serves metrics alone."""
    with LoadPages(HOST) as pages:
        del pages.pages["/varz"], pages.pages["/"]

        assert {A: 0.25} == told(read(pages.port))


@contextmanager
def says(*pieces, pause=0.0):
    """A server that answers each request with those bytes, with a pause after each piece."""
    over = threading.Event()

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        if over.wait(pause):
                            break
                except OSError:
                    pass

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def body(text):
    return OK + b"Content-Length: %d\r\n\r\n%s" % (len(text), text)


UNREADABLE = {
    "404": [b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"],
    "500": [b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}"],
    "redirect": [b"HTTP/1.1 302 Go\r\nLocation: http://127.29.0.9/\r\nContent-Length: 0\r\n\r\n"],
    "html": [body(b"<!DOCTYPE html><p>Could not open template: www/legacy-metrics.tmpl")],
    "nothing": [],
    "no http": [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "cut": [OK + b'Content-Length: 90\r\n\r\n{"impala.thrift-ser'],
    "compressed": [OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"],
    "other json": [body(b'{"a": 1}')],
    "list": [body(b"[1, 2]")],
    "text for a number": [body(b'{"impala.thrift-server.hiveserver2-frontend.connections-in-use": "x"}')],
    "deep": [body(b"[" * 100_000)],
    "huge": [OK + b"Content-Length: 99999999\r\n\r\n", *[b" " * 2**16] * 20],
}  # fmt: skip


@pytest.mark.parametrize("pieces", UNREADABLE.values(), ids=UNREADABLE)
def test_a_page_that_cannot_be_read_is_no_reading(pieces, caplog):
    with says(*pieces) as port:
        cluster = read(port)

    assert {} == told(cluster)
    assert [State.HEALTHY] * 2 == [each.state for each in cluster.snapshot()]
    assert f"does not know the load of {HOST}:21050" in caplog.text


@pytest.mark.parametrize("drip", [OK + b"X: " + b"x" * 500, body(b" " * 500)], ids=["head", "body"])
def test_a_page_that_drips_is_left_at_the_limit(drip):
    """The server goes on for 25 s; only the end of the test ends it, so the reader has left."""
    with says(*(drip[at : at + 1] for at in range(len(drip))), pause=0.05) as port:
        cluster = read(port, web_timeout=0.2)

        assert {} == told(cluster)


def test_nobody_there_is_no_reading():
    with socket.create_server((HOST, 0)) as gone:
        port = gone.getsockname()[1]

    assert {} == told(read(port))


# -- logins --------------------------------------------------------------------------------------


lacks = pytest.mark.skipif(find_spec("httpx") is None, reason="the extra web is not installed")
LOGINS = pytest.mark.parametrize("login", [basic, pytest.param(digest, marks=lacks)])
LOGIN = {"web_user": USER, "web_password": PASSWORD}


@LOGINS
def test_a_password_is_shown_as_it_is_asked_for(login):
    with LoadPages(HOST, login=login) as pages:
        assert {A: 0.25} == told(read(pages.port, **LOGIN))
        assert {A: 0.25} == told(read(pages.port, web_user=USER, web_password=lambda: PASSWORD))


@LOGINS
def test_a_login_that_was_refused_is_not_tried_again_anywhere(login, caplog):
    wrong = {"web_user": USER, "web_password": "letmein-7"}
    with LoadPages(HOST, login=login) as pages:
        cluster = read(pages.port, **wrong)
        tries = sum("Authorization" in headers for _, headers in pages.asked)
        read(pages.port, cluster=cluster, **wrong)

        assert 1 == tries == sum("Authorization" in headers for _, headers in pages.asked)
    assert {} == told(cluster)
    assert cluster.board.lease([A, B], cluster.clock.now() + REFUSED_FOR - 60) is None
    assert f"it refused the password of web_user {USER!r}" in caplog.text
    assert "letmein" not in caplog.text


def test_a_cookie_stands_for_the_login(caplog):
    """Impala's does, for a ticket and for a password."""
    shown = []

    def login(given, path):
        shown.append(given)
        return basic(given, path)

    with LoadPages(HOST, login=login, cookie="impala.auth=x&y") as pages:
        assert {A: 0.25} == told(read(pages.port, **LOGIN))
        sent = [headers.get("Cookie") for _, headers in pages.asked]

    assert 1 == len([each for each in shown if each])
    assert [None, None, "impala.auth=x&y", "impala.auth=x&y"] == sent
    assert "impala.auth" not in caplog.text


def test_the_password_of_the_connection_is_not_shown(caplog):
    with LoadPages(HOST, login=basic) as pages:
        cluster = read(pages.port, user=USER, password=PASSWORD, auth_mechanism="LDAP")

        assert not any("Authorization" in headers for _, headers in pages.asked)
    assert {} == told(cluster)
    assert "give web_user and web_password, it asks for basic" in caplog.text


def test_without_httpx_one_line_says_how_to_install_it(monkeypatch, caplog):
    import sys  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "impala_ha.auth.digest", raising=False)
    with LoadPages(HOST, login=basic) as pages:
        assert {A: 0.25} == told(read(pages.port, **LOGIN)), "Basic is for everybody"
    with LoadPages(HOST, login=digest) as pages:
        assert {} == told(read(pages.port, **LOGIN))

    assert "pip install 'impala-ha[web]'" in caplog.text


def test_a_warning_comes_once_in_a_process(caplog):
    with says(*UNREADABLE["404"]) as port:
        read(port)
        read(port)

    assert 1 == len([r for r in caplog.records if r.levelno == logging.WARNING])


# -- TLS -----------------------------------------------------------------------------------------


@pytest.fixture
def secured(certificates):
    with LoadPages(HOST, context=certificates.context(certificates.of(HOST))) as pages:
        yield pages


def test_tls_verifies_as_connections_do(secured, certificates):
    cluster = read(secured.port, web_ssl=True, ca_cert=certificates.ca)

    assert {A: 0.25} == told(cluster)


def test_who_shows_a_certificate_of_somebody_else_is_not_read(secured, certificates):
    other = certificates.of("127.29.0.9")
    with LoadPages(HOST, context=certificates.context(other)) as pages:
        assert {} == told(read(pages.port, web_ssl=True, ca_cert=certificates.ca))
        assert [] == pages.asked


def test_an_address_of_a_name_shows_a_certificate_of_that_name(certificates):
    """As its HiveServer2 does, where `dns://` found it."""
    named = [Coordinator(HOST, name="impala.test"), B]
    with LoadPages(HOST, context=certificates.context(certificates.of("impala.test"))) as pages:
        cluster = Cluster(named, policy="least_loaded")
        read(pages.port, cluster=cluster, web_ssl=True, ca_cert=certificates.ca)

    assert {A: 0.25} == told(cluster)


def test_tls_that_was_not_asked_for_is_no_reading(secured):
    assert {} == told(read(secured.port))


@LOGINS
def test_a_password_goes_through_tls(certificates, login):
    context: ssl.SSLContext = certificates.context(certificates.of(HOST))
    with LoadPages(HOST, login=login, context=context) as pages:
        cluster = read(pages.port, web_ssl=True, ca_cert=certificates.ca, **LOGIN)

    assert {A: 0.25} == told(cluster)
