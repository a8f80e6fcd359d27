"""Web pages of strangers, which a developer's browser runs, are not let in; programs are."""

import http.client
from concurrent.futures import ThreadPoolExecutor

import pytest
from http_hs2 import message
from impala._thrift_gen.TCLIService import ttypes as t

import impala_ha
from impala_ha.testing import LocalCluster
from pocket_impala.coordinator.browsers import Browsers

EVIL = "https://evil.example"
PAGES = ["/", "/queries?json", "/sessions", "/healthz", "/query_profile_plain_text", "/no/such"]


@pytest.fixture(scope="module")
def local():
    with LocalCluster(1, http=True) as cluster:
        yield cluster[0]


@pytest.fixture(scope="module")
def friendly():
    flags = {"allowed_origins": "http://notebook:8888, http://b", "allowed_hosts": "pocket.test"}
    with LocalCluster(1, http=True, flags=flags) as cluster:
        yield cluster[0]


def ask(host, port, method, path, *, headers=(), body=None):
    """Status and headers of the answer; *headers* may say by which name it is asked."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="Host" in dict(headers))
        for name, value in dict(headers).items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def call(local, headers=(), method="POST"):
    body = message("OpenSession", t.TOpenSessionReq()) if method == "POST" else None
    return ask(local.host, local.http_port, method, "/cliservice", headers=headers, body=body)


def page(local, headers=(), path="/"):
    host, port = local.web_address.rsplit(":", 1)
    return ask(host, int(port), "GET", path, headers=headers)


STRANGERS = {
    "a page": {"Origin": EVIL},
    "a page that sends text": {"Origin": EVIL, "Content-Type": "text/plain"},
    "a sandbox or a file": {"Origin": "null"},
    "another port of this machine": {"Origin": "http://localhost:3000"},
    "our own name for a page": {"Origin": "http://127.0.0.1:28000"},
    "without an origin": {"Sec-Fetch-Site": "cross-site"},
    "of the same site": {"Sec-Fetch-Site": "same-site"},
    "in capitals": {"SEC-FETCH-SITE": "Cross-Site"},
}


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
def test_a_strangers_page_runs_nothing_and_reads_nothing(local, headers):
    sessions = len(local.sessions)
    for status, told in (call(local, headers), page(local, headers)):
        assert 403 == status
        assert "access-control-allow-origin" not in told
    assert sessions == len(local.sessions)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_of_ours_is_shown_to_a_stranger(local, path):
    assert 403 == page(local, {"Origin": EVIL}, path)[0]
    assert 421 == page(local, {"Host": "evil.example"}, path)[0]


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": EVIL, "Access-Control-Request-Method": "POST"}, {"Origin": "null"}]
)
def test_a_browser_that_asks_whether_it_may_is_told_no(local, headers):
    status, told = call(local, headers, "OPTIONS")

    assert 403 == status
    assert not [name for name in told if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:28000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[2001:db8::1]:28000",
        "127.0.0.1@evil.example",
        "",
        "[",
    ],
)
def test_by_a_strangers_name_nobody_answers(local, host):
    """Its owner lets it lead to 127.0.0.1, and the page counts as one of ours for the browser."""
    assert 421 == call(local, {"Host": host})[0]
    assert 421 == page(local, {"Host": host})[0]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:28000", "localhost", "LOCALHOST:1", "localhost.", "[::1]:28000"],
)
def test_programs_ask_by_the_names_of_this_machine(local, host):
    assert 200 == call(local, {"Host": host})[0]
    assert 200 == page(local, {"Host": host})[0]


def test_a_person_reads_our_pages(local):
    for site in ("none", "same-origin"):
        assert 200 == page(local, {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"})[0]


def test_a_program_is_told_nothing_of_origins(local):
    status, told = call(local)

    assert 200 == status
    assert "access-control-allow-origin" not in told


def test_impala_ha_connects(local):
    with (
        impala_ha.connect(local.host, local.http_port, use_http_transport=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        assert [(1,)] == cursor.fetchall()


# Who was asked for.


@pytest.mark.parametrize("origin", ["http://notebook:8888", "HTTP://B"])
def test_a_page_that_was_asked_for_may(friendly, origin):
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    for status, told in (call(friendly, headers), call(friendly, headers, "OPTIONS")):
        assert (200, origin) == (status, told["access-control-allow-origin"])
    assert 200 == page(friendly, headers)[0]


def test_others_may_not(friendly):
    assert 403 == call(friendly, {"Origin": "http://notebook:8889"})[0]
    assert 403 == call(friendly, {"Sec-Fetch-Site": "cross-site"})[0]
    assert 421 == call(friendly, {"Host": "evil.example"})[0]
    assert 200 == call(friendly, {"Host": "pocket.test:28000"})[0]


def test_all_may_where_that_is_asked_for():
    browsers = Browsers(origins="*", hosts="*")

    assert browsers.refusal({"origin": EVIL, "host": "any"}) is None
    assert browsers.refusal({"origin": EVIL}, preflight=True) is None


def test_refusals_take_no_service_thread_for_good(local):
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: call(local, {"Origin": EVIL})[0], range(100)))

    assert {403} == set(statuses)
    assert 200 == call(local)[0]
