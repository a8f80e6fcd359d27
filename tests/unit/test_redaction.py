"""What a server says again of what it was told in confidence: nobody else hears of it."""

import base64
import html
import json
import logging
import traceback
from email.message import Message
from urllib.parse import quote, quote_plus

import pytest
from loopback import Answers, Peer, hiveserver2

import impala_ha
from impala_ha import errors
from impala_ha.core.redaction import Redaction
from impala_ha.net.http_proxy import Proxy
from impala_ha.net.http_status import HTTPStatusError

pytestmark = pytest.mark.timeout(30)

PASSWORD = 'p4ss w0rd/ü&"Zq7Wm2Kx'
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJldGwifQ.c2lnbmF0dXJlLXg"


def masked(*secrets):
    redaction = Redaction()
    for secret in secrets:
        redaction.add(secret)
    return redaction


FORMS = {
    "as it is": PASSWORD,
    "in UTF-8 read as Latin-1": PASSWORD.encode().decode("latin-1"),
    "in a URL": quote(PASSWORD, safe=""),
    "in a form": quote_plus(PASSWORD),
    "in a URL, in small letters": quote(PASSWORD, safe="").replace("%2F", "%2f"),
    "in HTML": html.escape(PASSWORD),
    "in JSON": json.dumps(PASSWORD)[1:-1],
    "in Python": repr(PASSWORD)[1:-1],
    "in base64": base64.b64encode(PASSWORD.encode()).decode(),
    "in base64 for URLs": base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    "with its user in base64": base64.b64encode(f"etl:{PASSWORD}".encode()).decode(),
    "cut off": PASSWORD[:-4],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_every_form(form):
    told = masked(PASSWORD, f"etl:{PASSWORD}").text(f"who is {FORMS[form]}? nobody")

    assert told.startswith("who is ***")
    assert told.endswith("? nobody")
    assert all(shown[4:12] not in told for shown in FORMS.values())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Basic QWxhZGRpbjpvcGVu!", "Authorization: Basic ***!"),
        ("bearer QWxhZGRpbjpvcGVu", "bearer ***"),
        ("Negotiate YIIZxwYG+a/=", "Negotiate ***"),
        (f"token={JWT} is over", "token=*** is over"),
        ("Basic authentication is required", "Basic authentication is required"),
        ("negotiate with somebody else", "negotiate with somebody else"),
    ],
)
def test_what_says_who_somebody_is_is_masked_whoever_it_is(text, told):
    assert told == Redaction().text(text)


def test_a_short_secret_is_masked_where_it_stands_alone():
    assert "an *** is no abc1, nor xabc: (***)" == masked("abc").text(
        "an abc is no abc1, nor xabc: (abc)"
    )


def test_a_secret_that_begins_like_another_hides_nothing_of_it():
    assert "***|***" == masked("long-secret", "long-secret-2").text("long-secret-2|long-secret")


def test_tokens_pass_and_passwords_stay():
    redaction = masked("p4ssw0rd")
    for number in range(200):
        redaction.add_passing(f"token-{number}")

    assert "*** *** token-1" == redaction.text("p4ssw0rd token-199 token-1")


@pytest.mark.parametrize(
    ("name", "value", "text", "told"),
    [
        ("X-Api-Key", "s3cr3t-v4lue", "s3cr3t-v4lue", "***"),
        ("Authorization", "Custom s3cr3t-v4lue", "got s3cr3t-v4lue", "got ***"),
        ("Cookie", "a=s3cr3t-v4lue", "got s3cr3t-v4lue", "got ***"),
        ("X-Trace-Id", "0123456789", "0123456789", "0123456789"),
        ("X-Session", "1", "1 of 1", "1 of 1"),
    ],
)
def test_headers_of_the_user_are_masked_that_sound_secret(name, value, text, told):
    redaction = Redaction()
    redaction.add_header(name, value)

    assert told == redaction.text(text)


def test_an_error_is_masked_with_all_that_it_holds_and_stands_for():
    headers = Message()
    headers["X-Echo"] = PASSWORD
    inner = errors.OperationalError(f"no {PASSWORD}")
    error = HTTPStatusError(502, PASSWORD, PASSWORD.encode(), headers, where="http://a/x")
    error.__cause__ = inner

    assert masked(PASSWORD).error(error)
    assert ("no ***",) == inner.args
    assert PASSWORD not in repr(vars(error)) + repr(error.args) + str(error)
    assert not masked(PASSWORD).error(error)


def test_an_error_that_the_caller_was_handling_is_left_alone():
    before, error = ValueError(PASSWORD), errors.OperationalError("something")
    error.__context__ = before
    masked(PASSWORD).error(error)

    assert (PASSWORD,) == before.args


def test_nothing_of_it_shows():
    assert PASSWORD not in repr(masked(PASSWORD)) + repr(Proxy("p", 1, "Basic YTpw"))
    assert "p" == Proxy("p", 1, "Basic YTpw").password
    assert "" == Proxy("p", 1).password


# Servers that say it again.


class Shown(logging.Handler):
    """Everything that was logged."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts += [record.getMessage(), repr(vars(record))]


@pytest.fixture
def shown():
    """What was logged, at the lowest level."""
    handler, root = Shown(), logging.getLogger()
    loggers = [logging.getLogger(name) for name in ("", "impala", "impala_ha", "thrift")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.texts
    root.removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def seen(error):
    """What somebody sees who looks at an error, its causes and the variables of their frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    texts, ahead = [], [report]
    while ahead:
        one = ahead.pop()
        texts.append(str(one))
        texts += [repr(frame.locals) for frame in one.stack if "/tests/" not in frame.filename]
        ahead += [other for other in (one.__cause__, one.__context__) if other]
    texts += [repr(vars(error)), repr(error.args)]
    for attempt in getattr(error, "attempts", ()):
        texts += [str(attempt), repr(attempt), str(attempt.error), repr(vars(attempt.error))]
        headers = getattr(attempt.error, "http_headers", None)
        texts.append(repr(headers and headers.items()))
    return texts


def assert_silent(texts, *secrets):
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode(), quote(secret, safe="")):
            assert [] == [text for text in texts if form in text]


SECRET = "s3cr3t-Zq7Wm2Kx"


def test_an_errors_text_of_the_server_is_told_without_the_password(shown):
    answers = Answers()
    talk = hiveserver2(answers, users={"etl": SECRET})
    pair = base64.b64encode(f"etl:{SECRET}".encode()).decode()
    with Peer(talk) as peer:
        connection = impala_ha.connect(
            peer.coordinator.host,
            peer.coordinator.port,
            auth_mechanism="PLAIN",
            user="etl",
            password=lambda: SECRET,
        )
        cursor = connection.cursor()
        answers.server.script["ExecuteStatement"].append(f"AnalysisException: {SECRET}, or {pair}")
        with pytest.raises(errors.Error, match=r"AnalysisException: \*\*\*, or \*\*\*") as caught:
            cursor.execute("select 1")
        connection.close()

    assert_silent([*shown, *seen(caught.value)], SECRET, f"etl:{SECRET}")


def echo(where, status="403 Forbidden"):
    """A gateway that says again, in *where*, how it was asked."""

    def talk(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return  # its deadline came first
            head += more
        lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
        said = b" ".join(line for line in lines if b"Auth" in line or b"X-Api" in line)
        said += b" or " + said.rpartition(b" ")[2]
        parts = {
            "status": (said, b"", b""),
            "header": (b"No", b"X-Echo: " + said + b"\r\n", b""),
            "body": (b"No", b"", b"<html>" + said),
            "location": (b"No", b"Location: http://sso/" + said.rpartition(b" ")[2] + b"\r\n", b""),
        }
        reason, header, body = parts[where]
        connection.sendall(
            b"HTTP/1.1 %s %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (status.split()[0].encode(), reason, header, len(body), body)
        )

    return talk


LOGINS = {
    "password": ({"auth_mechanism": "PLAIN", "user": "etl", "password": SECRET}, f"etl:{SECRET}"),
    "token": ({"auth_mechanism": "JWT", "jwt": JWT}, JWT),
    "header": ({"get_user_custom_headers_func": lambda: [("X-Api-Key", SECRET)]}, SECRET),
}


@pytest.mark.parametrize("where", ["status", "header", "body", "location"])
@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("status", [403, 502])
def test_a_gateway_that_repeats_the_request_is_told_without_the_login(
    where, login, status, shown, monkeypatch
):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    options, secret = LOGINS[login]
    with Peer(echo(where, f"{status} No")) as peer:
        with pytest.raises(errors.Error) as caught:
            impala_ha.connect(
                peer.coordinator.host,
                peer.coordinator.port,
                use_http_transport=True,
                hedge_after=0,
                deadline=0.5,
                **options,
            )

    assert f"HTTP code {status}" in caught.value.attempts[0].text
    assert_silent([*shown, *seen(caught.value)], secret, SECRET)
    assert "***" in "".join(seen(caught.value))


def test_an_answer_that_is_none_is_told_without_the_login(shown, monkeypatch):
    """Its beginning is shown, which may be cut in the middle of a secret."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Peer(lambda connection: connection.sendall(b"who is " + SECRET.encode() * 9)) as peer:
        with pytest.raises(errors.Error, match="no HTTP answer") as caught:
            impala_ha.connect(
                peer.coordinator.host,
                peer.coordinator.port,
                use_http_transport=True,
                auth_mechanism="LDAP",
                user="etl",
                password=SECRET,
                deadline=0.5,
            )

    assert_silent([*shown, *seen(caught.value)], SECRET, SECRET[:8])


def test_impylas_log_has_no_secret_of_a_session(caplog):
    """Who knows it may use the session, and end its statements."""
    caplog.set_level(logging.DEBUG)
    secrets = []
    with Peer(hiveserver2(Answers())) as peer:
        where = peer.coordinator.host, peer.coordinator.port
        with impala_ha.connect(*where, hedge_after=0) as connection:
            cursor = connection.cursor()
            for _ in range(20):
                cursor.execute("select 1")
                secrets.append(cursor._last_operation.handle.operationId.secret)
            secrets.append(cursor.session.handle.sessionId.secret)

    assert "secret=..., " in caplog.text or "secret=...)" in caplog.text
    assert [] == [each for each in secrets if repr(each) in caplog.text]
