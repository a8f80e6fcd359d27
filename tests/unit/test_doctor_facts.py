"""What a doctor can tell of tickets, certificates and web pages; and how reports look."""

import http.server
import io
import re
import threading
import urllib.error
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

import impala_ha.cli
from impala_ha.cli.doctor.context import Context, PasswordRefusal
from impala_ha.cli.doctor.facts import days, duration, read_klist, web_page
from impala_ha.cli.doctor.render import show, summary
from impala_ha.cli.doctor.report import Diagnosis, Layer, Status, empty_report
from impala_ha.cli.doctor.watch import Watch
from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed, CredentialKind, Phase
from impala_ha.core.model import Coordinator
from impala_ha.core.trace import Step
from impala_ha.options.options import Options
from impala_ha.testing.fakes import FakeClock

KLIST = """\
Ticket cache: FILE:/tmp/krb5cc_1000
Default principal: etl@CORP

Valid starting     Expires            Service principal
11/22/26 08:00:00  11/22/26 18:00:00  krbtgt/CORP@CORP
\trenew until 11/23/26 08:00:00
"""
ONE, TWO = Coordinator("coord1"), Coordinator("coord2")


# Facts.


def test_klist_tells_whose_ticket_it_is_and_how_long_it_lives():
    now = datetime(2026, 11, 22, 17, 0).timestamp()  # noqa: DTZ001 - klist prints local time

    assert {"principal": "etl@CORP", "seconds_left": 3600} == read_klist(KLIST, now)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", {}),
        ("klist: No credentials cache found", {}),
        (KLIST.partition("11/22")[0], {"principal": "etl@CORP"}),
        (KLIST.replace("11/22/26 18", "22.11.26 18"), {"principal": "etl@CORP"}),
    ],
)
def test_of_another_klist_what_can_be_read_is_reported(text, facts):
    assert facts == read_klist(text, 0.0)


@pytest.mark.parametrize(
    ("left", "told"),
    [(31.9, "31 days left"), (1.2, "1 day left"), (-1.5, "ended 1 day ago"), (-9, "ended 9 days ago")],
)  # fmt: skip
def test_days_are_reported_as_people_tell_them(left, told):
    assert told == days(left)


@pytest.mark.parametrize(("left", "told"), [(59, "59 s"), (61, "1 min"), (7265, "2 h 1 min")])
def test_durations_are_reported_as_people_tell_them(left, told):
    assert told == duration(left)


@contextmanager
def serving(status, body):
    class Visit(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Visit) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield "{}:{}".format(*server.server_address)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b'{"is_coordinator": true}', {"is_coordinator": True}),
        (200, b'{"something": 1}', "it is no page of an impalad"),
        (200, b"[1]", "it is no page of an impalad"),
        (200, b"<html>", "it is no page of Impala's (JSONDecodeError)"),
        (401, b"", "Unauthorized"),
    ],
)
def test_a_web_page_is_read_or_the_reason_is_reported(status, body, told):
    with serving(status, body) as address:
        assert told == web_page(address, 5.0)


def test_an_answer_that_is_an_error_is_closed(monkeypatch):
    """It holds its socket, and Python 3.14 complains of one that is left to the collector."""
    closed = []
    plain = urllib.error.HTTPError.close
    monkeypatch.setattr(
        urllib.error.HTTPError, "close", lambda self: (closed.append(self.code), plain(self))
    )
    with serving(404, b"") as address:
        web_page(address, 5.0)

    assert closed == [404]


def test_no_web_page_is_reported_as_the_system_tells_it():
    assert "refused" in web_page("127.0.0.1:1", 5.0)


# Steps become rows.


def tracing(*steps, **options):
    clock = FakeClock()
    report = empty_report(ONE, tls=False, http=False, kerberos=False)
    watch = Watch(report, Options(**options), clock)
    for seconds, step, what in steps:
        clock.sleep(seconds)
        watch(step, what)
    return report, watch


ADDRESSES = [(None,) * 4 + (("10.0.0.1", 21050),), (None,) * 4 + (("fd00::2", 21050, 0, 0),)]


def test_addresses_that_failed_before_are_reported_and_doubtful_where_they_cost_time():
    for cost, status in ((0.01, Status.OK), (3.0, Status.WARNING)):
        report, watch = tracing(
            (0.1, Step.RESOLVED, ADDRESSES),
            (0.0, Step.TRYING, ADDRESSES[0][4]),
            (cost, Step.TRYING, ADDRESSES[1][4]),
            (0.2, Step.CONNECTED, ADDRESSES[1][4]),
        )
        row = report.rows[Layer.TCP]
        assert ("[fd00::2]:21050, after 10.0.0.1:21050 failed", status) == (
            row.text,
            row.status,
        )
        assert row.seconds == pytest.approx(0.2)
        assert ["10.0.0.1", "fd00::2"] == report.rows[Layer.ADDRESSES].facts["addresses"]
        assert watch.at is Layer.TCP


def test_a_proxy_of_the_environment_is_reported(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:s3cret@127.0.0.1:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    address = ("127.0.0.1", 3128)
    report, _ = tracing((0, Step.CONNECTED, address), use_http_transport=True)

    assert "127.0.0.1:3128 (proxy 127.0.0.1:3128)" == report.rows[Layer.TCP].text


# Caution with passwords.


class Failing:
    """A driver that opens nothing; it remembers who was asked."""

    sends_password = True
    credential = CredentialKind.SECRET

    def __init__(self, phase, error):
        self.asked = []
        self._how = phase, error

    def open(self, coordinator, *_):
        self.asked.append(coordinator)
        raise CallFailed(*self._how)


def practice_with(driver):
    context = Context(Options(auth_mechanism="LDAP", password="x"), SystemClock(), 0)
    context.driver = driver
    return context


def test_a_password_that_one_has_refused_is_given_to_nobody_else():
    context = practice_with(driver := Failing(Phase.LOGIN, RuntimeError("Bad status: 3 (x)")))
    with pytest.raises(CallFailed):
        context.open(ONE)

    found = context.open(TWO)

    assert isinstance(found, PasswordRefusal)
    assert ONE == found.coordinator
    assert [ONE] == driver.asked


def test_who_cannot_be_reached_has_not_refused_a_password():
    context = practice_with(driver := Failing(Phase.CONNECT, ConnectionRefusedError("refused")))
    for where in (ONE, TWO):
        with pytest.raises(CallFailed):
            context.open(where)

    assert [ONE, TWO] == driver.asked


def test_a_session_is_opened_as_the_options_say():
    context = Context(Options(database="`sales`", doas_user="ada", user="etl"), SystemClock(), 0)

    assert {"use:database": "sales", "impala.doas.user": "ada"} == context.configuration
    assert "etl" == context.user


# Reports for the eyes.


def chart_of(where, *, ill=False):
    made = empty_report(where, tls=True, http=False, kerberos=True)
    made.put(Layer.NAME, str(where))
    made.put(Layer.ADDRESSES, "10.0.0.1", 0.001)
    made.put(Layer.TCP, "10.0.0.1:21050", 0.0004)
    facts = {"protocol": "TLSv1.3", "verified": False, "days_left": 88.2}
    made.put(Layer.TLS, "TLSv1.3, for a, by b", 0.003, status=Status.WARNING, facts=facts)
    made.put(Layer.TICKET, "etl@CORP, 9 h 2 min left", 0.01)
    made.put(Layer.PRINCIPAL, "impala/coord1")
    made.seconds = 1.25
    if ill:
        made.put(Layer.LOGIN, "", 1.0, status=Status.FAILED)
        made.diagnosis = Diagnosis(Layer.LOGIN, "the problem", "the advice")
        return made
    made.put(Layer.LOGIN, "GSSAPI", 0.2)
    made.put(Layer.SESSION, "OpenSession", 0.02)
    made.put(Layer.PING, "answered", 0.02)
    made.put(Layer.VERSION, "impalad version 4.5.0-RELEASE (build 1)", 0.02)
    made.put(Layer.STATE, "takes work")
    return made


def printed(report, *, whole=False, encoding="utf-8", width=80, **how):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    show(Console(file=file, width=width, highlight=False, **how), report, whole=whole)
    file.flush()
    return raw.getvalue().decode(encoding)


def test_what_a_server_says_cannot_steer_the_terminal():
    report = chart_of(Coordinator("a"), ill=True)
    report.put(Layer.TICKET, "\x1b[2Jticket")
    report.diagnosis = Diagnosis(Layer.LOGIN, "the \x1b]0;problem\x07", "the \x9badvice")

    shown = printed(report)

    assert "\\x1b[2Jticket" in shown
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)


def test_who_is_well_takes_few_lines_which_end_between_layers():
    lines = printed(chart_of(ONE)).splitlines()

    assert [
        "ok   coord1:21050  1.2 s",
        "     10.0.0.1 1.0 ms · tcp 0.4 ms · ! TLSv1.3, not verified, 88 days left 3.0 ms",
        "     etl@CORP, 9 h 2 min left 10 ms · impala/coord1 · GSSAPI 200 ms",
        "     session 20 ms · ping 20 ms · version 4.5.0-RELEASE 20 ms · takes work",
    ] == lines


def test_on_a_terminal_without_utf8_nothing_is_printed_that_it_has_not():
    text = printed(chart_of(ONE), encoding="latin-1")

    assert text.isascii()
    assert "tcp 0.4 ms | " in text


def test_who_is_ill_gets_a_line_a_layer_and_what_to_do():
    assert [
        "FAIL coord1:21050: login  1.2 s",
        "     ok    addresses   1.0 ms  10.0.0.1",
        "     ok    tcp         0.4 ms  10.0.0.1:21050",
        "     !     tls         3.0 ms  TLSv1.3, for a, by b",
        "     ok    ticket       10 ms  etl@CORP, 9 h 2 min left",
        "     ok    principal           impala/coord1",
        "     FAIL  login        1.0 s",
        "     -     not reached: session, ping, version, state",
        "     why   the problem",
        "     do    the advice",
    ] == printed(chart_of(ONE, ill=True)).splitlines()


def test_a_line_a_layer_is_had_for_the_asking():
    assert 11 == len(printed(chart_of(ONE), whole=True).splitlines())


def test_a_terminal_gets_colours():
    assert "\x1b[1;31m" in printed(
        chart_of(ONE, ill=True), force_terminal=True, color_system="standard"
    )


def test_the_last_line_counts_and_names():
    assert "1 coordinator, healthy (2.0 s)" == str(summary([chart_of(ONE)], 2))
    assert "2 coordinators, all healthy (2 ms)" == str(
        summary([chart_of(ONE), chart_of(TWO)], 0.02)
    ).replace("20 ms", "2 ms")
    ill = [chart_of(ONE), chart_of(TWO, ill=True)]
    assert "1 of 2 coordinators failed: coord2:21050 (login) (2.0 s)" == str(summary(ill, 2))


# What programs rely on.


def test_the_page_names_every_layer_condition_and_key():
    page = (Path(impala_ha.cli.__file__).parents[3] / "docs" / "doctor.md").read_text("utf-8")
    data = chart_of(ONE, ill=True).as_data()
    names = {layer.value for layer in Layer} | {each.value for each in Status}
    names |= set(data) | set(data["steps"][0])

    assert set() == {name for name in names if not re.search(rf"`{name}`", page)}
