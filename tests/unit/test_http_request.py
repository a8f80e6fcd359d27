"""The head of a request over HTTP, and who says it is there."""

import base64
import sys

import pytest

from impala_ha import errors
from impala_ha.auth.http_auth import BasicAuth, BearerAuth, NegotiateAuth
from impala_ha.auth.kerberos import Negotiation
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.kerberos_errors import GSSError
from impala_ha.net.http_request import Auth, Target


def target(**options):
    return Target("http://a:1/x", "/x", "a:1", **options)


def head(made, size=3, login="", cookies=""):
    return made.head(made.headers(size), login, cookies).decode("latin-1")


def test_a_head_says_where_it_goes_and_how_long_the_body_is():
    first, *lines = head(target(agent="me/1")).split("\r\n")

    assert "POST /x HTTP/1.1" == first
    assert {"Host: a:1", "Content-Length: 3", "Content-Type: application/x-thrift"} < set(lines)
    assert ["", ""] == lines[-2:]
    assert not [line for line in lines if line.startswith(("Authorization", "Cookie", "Expect"))]


def test_a_long_body_is_announced():
    assert "Expect: 100-continue" in head(target(), size=1025)
    assert "Expect" not in head(target(), size=1024)


@pytest.mark.parametrize(
    ("argv", "agent"),
    [
        (["/opt/my job.py"], "User-Agent: Python/ImpylaHttpClient (my%20job.py)\r\n"),
        ([""], "User-Agent: Python/ImpylaHttpClient\r\n"),
        ([], "User-Agent: Python/ImpylaHttpClient\r\n"),
    ],
)
def test_the_user_agent_names_the_program_as_impylas_does(argv, agent, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)

    assert agent in head(target())


def test_login_cookies_and_the_proxy_have_headers_of_their_own():
    lines = head(target(proxy_login="Basic p"), login="Basic l", cookies="a=1").split("\r\n")

    assert {"Authorization: Basic l", "Cookie: a=1", "Proxy-Authorization: Basic p"} < set(lines)
    assert "Basic p" not in repr(target(proxy_login="Basic p"))


def test_headers_of_the_users_own_take_the_place_of_ours():
    made = target(more=lambda: [("user-agent", "other"), ("authorization", "mine"), ("X-A", "1")])
    told = head(made, login="Basic l")

    assert "user-agent: other\r\n" in told
    assert "authorization: mine\r\n" in told
    assert "X-A: 1\r\n" in told
    assert "Basic l" not in told
    assert "User-Agent" not in told


def test_headers_of_the_user_that_come_twice_are_sent_twice():
    made = target(more=lambda: [("key1", "value1"), ("key1", "value2"), ("KEY1", "value3")])

    lines = head(made).split("\r\n")

    assert ["key1: value1", "key1: value2", "KEY1: value3"] == [
        line for line in lines if line.lower().startswith("key1")
    ]


def test_the_users_function_may_have_none():
    assert head(target()) == head(target(more=lambda: None))


@pytest.mark.parametrize(
    "header", [("X: y", "1"), ("", "1"), ("X", "a\r\nY: b"), ("X", "a\0"), ("X", "€")]
)
def test_a_header_that_would_be_more_than_one_is_refused(header):
    with pytest.raises(errors.InterfaceError, match="header") as caught:
        target(more=lambda: [header]).headers(1)

    assert header[1] == "1" or header[1] not in str(caught.value)


def test_so_is_a_user_agent():
    with pytest.raises(errors.InterfaceError, match="User-Agent"):
        target(agent="a\nb").headers(1)


# Who is there.


def test_nobody_says_nothing():
    nobody = Auth()
    nobody.prepare(1.0)

    assert ("", False) == (nobody.header(known=False), nobody.renew())


def test_basic_is_user_and_password():
    login = BasicAuth("päul", lambda: ("a:b", None), lambda refused: refused == "a:b")
    scheme, pair = login.header(known=False).split()

    assert ("Basic", "päul:a:b") == (scheme, base64.b64decode(pair).decode())
    assert login.renew()


def test_a_password_is_not_shown_where_a_cookie_stands_for_it():
    login = BasicAuth("etl", lambda: ("x", None), lambda _: False)

    assert not login.header(known=True)
    assert login.renew()
    assert login.header(known=False)


def test_a_server_that_takes_no_cookie_for_a_password_is_shown_it_always():
    login = BasicAuth("etl", lambda: ("x", None), lambda _: False)
    login.header(known=True)
    login.answered(401)

    assert login.header(known=True)


def test_a_token_is_sent_without_its_line_break():
    login = BearerAuth(lambda: ("x.y.z\n", None), lambda refused: refused == "x.y.z\n")

    assert "Bearer x.y.z" == login.header(known=False)
    assert login.renew()


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ü"])
def test_what_cannot_be_a_token_is_not_sent(token):
    with pytest.raises(errors.InterfaceError, match="JSON Web Token") as caught:
        BearerAuth(lambda: (token, None), lambda _: False).header(known=False)

    assert not token or token not in str(caught.value)


def negotiation(token, verify=lambda _: None):
    return Negotiation(token, verify, accepted=lambda: None, renew=bool)


def test_a_ticket_is_asked_for_before_the_first_request_and_where_no_cookie_stands_for_it():
    asked = []

    def token(limit):
        asked.append(limit)
        return negotiation(f"t{len(asked)}")

    login = NegotiateAuth(token, timeout=9.0)
    login.prepare(2.0)

    assert "Negotiate t1" == login.header(known=False)
    assert "" == login.header(known=True)
    assert "Negotiate t2" == login.header(known=False)
    assert [2.0, 9.0] == asked
    assert login.renew()


def test_what_follows_the_word_in_the_answer_is_verified():
    heard = []
    login = NegotiateAuth(lambda _: negotiation("t", heard.append), 1.0)
    login.header(known=False)
    login.verify(["Basic x", "negotiate  abc "])

    assert ["abc"] == heard
    for said in ([], ["Negotiate"], ["Basic abc"]):
        with pytest.raises(GSSError, match="did not prove who it is"):
            login.verify(said)
        certified = NegotiateAuth(lambda _: negotiation("t", heard.append), 1.0, certified=True)
        certified.header(known=False)
        certified.verify(said)


def test_a_ticket_that_cannot_be_had_has_touched_nobody():
    def token(_):
        raise OSError("no ticket")

    with pytest.raises(CallFailed, match="no ticket") as caught:
        NegotiateAuth(token, 1.0).header(known=False)

    assert Phase.TICKET is caught.value.phase


def test_ctrl_c_while_a_ticket_is_asked_for_stays_ctrl_c():
    def token(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        NegotiateAuth(token, 1.0).prepare(1.0)
