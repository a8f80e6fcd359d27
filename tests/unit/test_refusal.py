"""What HTTP says in place of an answer, and when to come back."""

import pickle

import pytest

from impala_ha.net.http_status import HTTPStatusError, public_headers, seconds_ahead, seconds_until


def refused(code=503, headers=(), where="https://a:28000/cliservice", retry_after=0.0):
    return HTTPStatusError(code, "Why", b"page", public_headers(headers), where, retry_after)


def test_the_text_begins_as_impylas_and_tells_the_url():
    assert "HTTP code 404: Why from https://a:28000/cliservice" == str(refused(404))
    assert "HTTP code 404: Why" == str(refused(404, where=""))


def test_it_tells_when_to_come_back_and_where_it_leads():
    assert str(refused(429, retry_after=2.5)).endswith(", retry after 2.5 s")
    leads = [("Location", "https://me:secret@sso.test/login?token=secret#x")]
    assert str(refused(302, leads)).endswith("(leads to https://sso.test/login)")


def test_cookies_and_tokens_are_not_in_what_it_keeps():
    headers = [("Set-Cookie", "impala.auth=secret"), ("WWW-Authenticate", "x"), ("Server", "s")]

    assert [("Server", "s")] == refused(401, headers).http_headers.items()


def test_a_pickle_carries_it():
    error = pickle.loads(pickle.dumps(refused(429, [("Server", "s")], retry_after=2.0)))

    assert (429, b"page", 2.0) == (error.code, error.body, error.retry_after)
    assert "HTTP code 429: Why from https://a:28000/cliservice, retry after 2 s" == str(error)


@pytest.mark.parametrize(
    ("error", "clean", "passing"),
    [
        (refused(401), True, False),
        (refused(404), True, False),
        (refused(429), True, True),
        (refused(503), False, True),
        (refused(503, retry_after=1.0), True, True),
        (refused(502), False, True),
        (refused(504), False, True),
        (refused(500), False, False),
    ],
)
def test_it_knows_whether_the_connection_goes_on_and_whether_that_may_be_over_soon(
    error, clean, passing
):
    assert (clean, passing) == (error.clean, error.passing)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("", 0.0),
        ("-3", 0.0),
        ("soon", 0.0),
        ("9" * 30, 0.0),
        ("Thu, 01 Jan 99999 00:01:40 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert seconds == seconds_until(text, now=60.0)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([("WWW-Authenticate", "Negotiate")], "asks for Negotiate"),
        ([("www-authenticate", 'Basic realm="a, Negotiate"')], "(asks for Basic) from"),
        ([("WWW-Authenticate", "Negotiate YIIs3cret=="), ("WWW-Authenticate", "Basic")], "Basic"),
        ([("WWW-Authenticate", 'Negotiate, Basic realm="x"')], "asks for Negotiate, Basic"),
        ([("WWW-Authenticate", "s3cret")], "as it says"),
    ],
)
def test_what_a_server_asks_for_is_told_without_its_token(headers, told):
    error = HTTPStatusError(401, "as it says", b"", public_headers(headers), "http://a")

    assert told in str(error)
    assert "s3cret" not in str(error) + str(error.http_headers)


@pytest.mark.parametrize(
    ("code", "ahead", "told"),
    [
        (401, 3600.0, ", by a clock that is 3600 s ahead of ours"),
        (401, -3600.4, ", by a clock that is 3600 s behind ours"),
        (401, 60.0, ""),
        (503, 3600.0, ""),
    ],
)
def test_a_clock_that_differs_is_reported_where_a_ticket_was_refused(code, ahead, told):
    error = refused(code, where="http://a/x")
    error.ahead = ahead

    assert str(error).endswith(f"from http://a/x{told}")


def test_how_far_a_date_is_ahead():
    assert 60.0 == seconds_ahead("Thu, 01 Jan 1970 01:00:00 GMT", 3540.0)
    assert -60.0 == seconds_ahead("Thu, 01 Jan 1970 01:00:00 GMT", 3660.0)
    assert 0.0 == seconds_ahead("", 3540.0) == seconds_ahead("today", 3540.0)
