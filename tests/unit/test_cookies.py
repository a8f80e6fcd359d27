"""The cookies of one coordinator: which are kept, for how long, and how they are sent."""

import pytest

from impala_ha.net.cookies import EVERY, CookieJar

SIGNED = "impala.auth=c2ln&u=etl&t=1&r=2&a=Basic;HttpOnly;Max-Age=86400;Secure"


def jar(*headers, names=EVERY, path="/cliservice"):
    made = CookieJar(names, path)
    made.keep(headers, now=100.0)
    return made


def test_impalas_own_is_kept_as_it_came_and_stands_for_a_login():
    kept = jar(SIGNED)

    assert "impala.auth=c2ln&u=etl&t=1&r=2&a=Basic" == kept.header(100.0)
    assert kept.logs_in(100.0)


def test_an_empty_jar_sends_nothing():
    assert ("", False) == (jar().header(0.0), jar().logs_in(0.0))


def test_another_cookie_stands_for_nothing():
    kept = jar("JSESSIONID=1; Path=/")

    assert ("JSESSIONID=1", False) == (kept.header(100.0), kept.logs_in(100.0))


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ("*", "a=1; b=2"),
        (["*"], "a=1; b=2"),
        ("a", "a=1"),
        ("a, b", "a=1; b=2"),
        (["b"], "b=2"),
        ("", ""),
        ([], ""),
        (None, ""),
    ],
)
def test_those_are_kept_that_were_named(names, kept):
    assert kept == jar("a=1", "b=2", names=names).header(100.0)


@pytest.mark.parametrize(
    ("path", "kept"),
    [("/cliservice", True), ("/", True), ("cliservice", True), ("/other", False), ("", True)],
)
def test_those_are_kept_whose_path_is_ours(path, kept):
    assert kept is bool(jar(f"a=1; Path={path}").header(100.0))


def test_a_cookie_ends_with_its_age():
    kept = jar(SIGNED)

    assert kept.header(100.0 + 86399)
    assert "" == kept.header(100.0 + 86400)
    assert not kept.logs_in(100.0 + 86400)


def test_a_cookie_is_taken_back_by_an_age_of_nothing():
    kept = jar(SIGNED)
    kept.keep(["impala.auth=;HttpOnly;Max-Age=0"], now=100.0)

    assert "" == kept.header(100.0)


@pytest.mark.parametrize("age", ["", "soon", "9" * 40])
def test_an_age_that_cannot_be_read_is_none(age):
    assert "a=1" == jar(f"a=1; Max-Age={age}").header(1e12)


def test_a_name_that_is_no_ascii_is_kept():
    assert "impala.auth=s&u=pÃ¤ul" == jar("impala.auth=s&u=pÃ¤ul;HttpOnly").header(100.0)


def test_what_has_no_name_is_no_cookie():
    assert "" == jar("=1", ";").header(100.0)


def test_a_new_value_takes_the_place_of_the_old():
    kept = jar("a=1")
    kept.keep(["a=2"], now=101.0)

    assert "a=2" == kept.header(101.0)


def test_clearing_says_whether_there_was_anything():
    kept = jar("a=1")

    assert (True, False) == (kept.clear(), kept.clear())
    assert "" == kept.header(100.0)


def test_no_value_is_shown():
    kept = jar("impala.auth=s3cret")

    assert "s3cret" not in repr(vars(kept))


@pytest.mark.parametrize(
    "header", ["a=1\rX: y", "a=1\nX: y", "a\n=1", "a=\x001", "a=\x7f", "a=1\t2"]
)
def test_what_could_become_a_header_of_its_own_is_no_cookie(header):
    """It would be sent back as it came."""
    kept = jar("a=0", header)

    assert "a=0" == kept.header(100.0)


def test_a_line_break_in_what_is_not_sent_back_does_no_harm():
    assert "a=1" == jar("a=1; Path=/\n").header(100.0)


def test_of_many_cookies_the_last_are_kept():
    kept = jar(*(f"c{n}=1" for n in range(1000)))
    kept.keep(["c960=2"], now=100.0)

    sent = kept.header(100.0).split("; ")
    assert (50, "c950=1", "c960=2") == (len(sent), sent[0], sent[-1])


def test_no_more_is_kept_than_other_servers_take():
    kept = jar("small=1")
    for answer in range(30):
        kept.keep([f"c{answer}=" + "x" * 8000, f"d{answer}=" + "x" * 100_000], now=100.0)

    sent = kept.header(100.0)
    assert 20_000 < len(sent) < 33_000
    assert "c29=" in sent
    assert "d" not in {cookie[0] for cookie in sent.split("; ")}


def test_what_is_over_takes_no_room():
    kept = jar(*(f"c{n}=1; Max-Age=1" for n in range(50)))
    kept.keep(["a=1"], now=200.0)

    assert {"a"} == set(kept._cookies)


# The login at another coordinator.


def test_impalas_login_can_be_borrowed_and_nothing_else():
    lender = jar(SIGNED, "JSESSIONID=1", "hive.server2.auth=x", "hadoop.auth=y")
    borrower = CookieJar(EVERY, "/")
    borrower.borrow(lender, 100.0)

    assert "impala.auth=c2ln&u=etl&t=1&r=2&a=Basic" == borrower.header(100.0)
    assert borrower.logs_in(100.0)


def test_a_borrowed_login_ends_with_the_first_one():
    borrower = CookieJar(EVERY, "/")
    borrower.borrow(jar(SIGNED), 100.0)
    assert not borrower.logs_in(86_500.0)

    borrower.borrow(jar(SIGNED), 86_500.0)
    assert "" == borrower.header(86_500.0)


def test_who_has_a_login_borrows_none():
    own = jar("impala.auth=own")
    own.borrow(jar(SIGNED), 100.0)

    assert "impala.auth=own" == own.header(100.0)


@pytest.mark.parametrize(
    ("kept", "refused"), [([], True), (["impala.auth=own"], False), (["a=1"], True)]
)
def test_a_borrowed_login_that_did_no_good_is_remembered(kept, refused):
    """Not so one that its own coordinator refuses, which may be of a former life."""
    borrower = CookieJar(EVERY, "/")
    borrower.borrow(jar(SIGNED), 100.0)
    borrower.keep(kept, 100.0)
    assert not borrower.refused

    borrower.clear()

    assert refused is borrower.refused
