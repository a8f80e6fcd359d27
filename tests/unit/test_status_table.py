"""A coordinator a line, in 80 columns; and what the kernel and the shared state say of it."""

import json
import os
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from impala_ha import Coordinator, Fault, State
from impala_ha.balancing.circuit_breaker import Health
from impala_ha.balancing.readings import Load
from impala_ha.balancing.shared_file import SharedFile
from impala_ha.balancing.shared_records import Record, key_of
from impala_ha.cli._hosts import coordinators_of
from impala_ha.cli.status import machine
from impala_ha.cli.status.asking import Answer, LoadReader
from impala_ha.cli.status.machine import Known, connections, known, reset, states_not_shown
from impala_ha.cli.status.table import Row, duration, table
from impala_ha.core.clock import SystemClock
from impala_ha.options.options import Options
from impala_ha.options.settings import Settings
from load_pages import PASSWORD, USER, LoadPages, basic

WELL = Answer(0.041, "impalad version 4.5.0-RELEASE RELEASE (build 7d7b2e9)")
DOWN = Answer(why="could not be reached", error="connecting: Connection refused")
OUT = Known(State.EJECTED, 75.0, 4.0, 3, "could not be reached", 0.01, 2.5)
A, B, C = (Coordinator(f"coord{number}.example.com") for number in (1, 2, 3))


def lines(*rows, width=80, shared=True):
    return list(table(rows, width, shared=shared))


def test_the_table():
    assert lines(
        Row(A, Known(connect_time=0.01, load=1.25), WELL, 12),
        Row(B, OUT, DOWN, 0),
        Row(C, Known(), DOWN, None),
    ) == [
        "port 21050          state      since  tries  here  connect  load  version, why",
        "coord1.example.com  healthy        -      -    12    41 ms   1.2  4.5.0-RELEASE",
        "coord2.example.com  ejected       1m      3     0  could not be reached, again..",
        "coord3.example.com  failing        -      -     -  could not be reached connec..",
        "3 in all: 1 healthy, 1 ejected, 1 failing",
        "coord2.example.com: could not be reached, again in 4s: connecting: Connection",
        "  refused",
        "coord3.example.com: could not be reached connecting: Connection refused",
    ]


@pytest.mark.parametrize("width", [80, 100, 132])
def test_no_line_is_wider_than_the_screen_however_long_names_and_errors_are(width):
    long = Coordinator(f"{'a-very-long-name' * 5}.example.com", 21051)
    answer = Answer(why="could not be reached", error="connecting: " + "no route " * 30)
    text = lines(Row(long, OUT, answer, 1), Row(A, None, WELL, 1), width=width, shared=False)

    assert max(map(len, text)) <= width
    assert "a-very-long-name" in text[1]
    assert "could not be reached" in text[1]


def test_ports_are_shown_where_they_differ():
    other = Coordinator("coord1.example.com", 21051)

    head, one, two, *_ = lines(Row(A, None, WELL, 1), Row(other, None, WELL, 1))
    assert head.startswith("coordinator ")
    assert one.startswith("coord1.example.co..  healthy")
    assert two.startswith("coord1.example.co..  healthy")
    *_, wide = lines(Row(A, None, WELL, 1), Row(other, None, WELL, 1), width=120)[:3]
    assert wide.startswith("coord1.example.com:21051")


def test_one_that_answers_although_it_is_ejected_is_said_to():
    row = Row(A, OUT, WELL, 1)

    assert (row.state, row.is_well) == ("ejected", False)
    assert row.why == "answers now, again in 4s: could not be reached"
    trial = Row(A, Known(State.HALF_OPEN, 9.0, None, 1, "stopped answering"), WELL, 1)
    assert trial.why == "answers now, to be tried: stopped answering"


def test_the_load_is_the_coordinators_own_where_its_pages_tell_it():
    row = Row(A, Known(load=1.25), replace(WELL, load=Load(16, 64, queries=3)), 2)

    assert "    41 ms   29%  4.5.0-RELEASE" in lines(row)[1]
    data = row.as_data()
    assert (data["load"], data["recent"]) == (0.285, 1.25)
    assert (data["connections_of_all"], data["service_threads"], data["queries"]) == (16, 64, 3)


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        (None, replace(DOWN, draining=True)),
        (Known(State.HALF_OPEN, 9.0, None, 1, "is shutting down"), replace(DOWN, draining=True)),
        (Known(), replace(WELL, draining=True)),
    ],
)
def test_one_that_says_now_that_it_drains_does_so(known, answer):
    row = Row(A, known, answer, 1)

    assert (row.state, row.is_well) == ("draining", False)


def test_names_that_are_too_long_lose_the_domain_that_all_have():
    domain = ".impala.prod.eu-central-1.example-company.com"
    rows = [Row(Coordinator(f"coord{n}{domain}"), None, WELL, 1) for n in (1, 2)]
    text = lines(*rows)

    assert ["coord1", "coord2"] == [line.split()[0] for line in text[1:3]]
    assert f"The names end with {domain}" in text
    assert domain not in "".join(lines(*rows, width=140)[3:])


def test_what_is_not_shown_is_said():
    hidden = ["etl", "hue"], ["/dev/shm/impala-ha-1000"]
    text = list(table([Row(A, None, WELL, 1)], 80, shared=True, hidden=hidden))

    assert text[-3].endswith("of other users know. Run it as etl, hue.")
    assert text[-1] == "XDG_RUNTIME_DIR: /dev/shm/impala-ha-1000"


def test_where_nothing_is_shared_that_is_said():
    assert lines(Row(A, None, WELL, 1), shared=False)[-1].startswith("No state is shared")


def test_data_has_all_of_it():
    assert json.loads(json.dumps(Row(B, OUT, DOWN, 0).as_data())) == {
        "host": "coord2.example.com",
        "port": 21050,
        "state": "ejected",
        "since": 75.0,
        "next_try": 4.0,
        "tries": 3,
        "why": "could not be reached",
        "answers": False,
        "error": "connecting: Connection refused",
        "version": "",
        "connect_time": None,
        "usual_connect_time": 0.01,
        "load": None,
        "connections_of_all": None,
        "service_threads": None,
        "queries": None,
        "load_error": "",
        "recent": 2.5,
        "connections": 0,
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (9 * 86400, "9d")],
)
def test_durations_take_few_columns(seconds, text):
    assert duration(seconds) == text


# The machine.


def test_connections_are_counted_by_the_kernel(monkeypatch):
    """Of whatever program, and of whatever family the socket is."""
    with socket.create_server(("127.27.0.9", 0)) as server:
        where = Coordinator("127.27.0.9", server.getsockname()[1])
        assert connections([where]) == {where: 0}
        with (
            socket.create_connection(server.getsockname()),
            socket.socket(socket.AF_INET6) as mapped,
        ):
            mapped.connect((f"::ffff:{where.host}", where.port))

            assert connections([where]) == {where: 2}
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert connections([where]) == {}


def test_a_name_that_nobody_knows_has_no_connections():
    where = Coordinator("no-such-host.invalid")

    assert connections([where]) == {where: 0}


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """The file of shared state, in a place of its own."""
    place = Path(tmp_path, "run")
    place.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    if known([A], "") is None:
        pytest.skip("no local file system")
    return SharedFile()


def put(file, *records):
    assert file.update([record.key for record in records], lambda _: records)


def ejected(key, now, seconds=5.0, fault=Fault.UNREACHABLE, failures=1):
    health = Health(failures, now + seconds)
    return Record(key, at=now, connect_time=0.25).with_health(health, 0.0, now, fault)


def boot():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_what_is_shared_is_shown(shared):
    put(shared, ejected(key_of(A), boot(), failures=2))
    found = known([A, B], "")

    assert found[B] == Known()
    assert (found[A].state, found[A].tries) == (State.EJECTED, 2)
    assert found[A].why == Fault.UNREACHABLE.label
    assert found[A].connect_time == pytest.approx(0.25)
    assert 0 <= found[A].since < 4
    assert 0 < found[A].next_try <= 5


def test_one_that_drains_or_is_to_be_tried_is_shown_as_such(shared):
    put(
        shared,
        ejected(key_of(A), boot(), fault=Fault.DRAINING),
        ejected(key_of(B), boot() - 60, seconds=5.0),
    )
    found = known([A, B], "")

    assert [found[each].state for each in (A, B)] == [State.DRAINING, State.HALF_OPEN]


def test_what_holds_for_some_options_is_shown_to_who_has_them(shared):
    put(shared, ejected(key_of(A, "use_ssl=True"), boot(), fault=Fault.UNTRUSTED))

    assert known([A], "")[A].state is State.HEALTHY
    assert known([A], "use_ssl=True")[A].state is State.EJECTED


def test_reset_forgets_it_for_all_and_for_those_options(shared):
    put(shared, ejected(key_of(A), boot()), ejected(key_of(A, "use_ssl=True"), boot()))

    assert reset([A, B], "use_ssl=True") == {A}
    assert known([A], "use_ssl=True")[A].state is State.HEALTHY
    assert known([A], "use_ssl=True")[A].tries == 0
    assert reset([A, B], "use_ssl=True") == set()


def test_without_a_place_nothing_is_known_and_nothing_can_be_reset(monkeypatch):
    monkeypatch.setattr(machine, "SharedFile", lambda: SharedFile("/proc/no/such/place"))

    assert known([A], "") is None
    assert reset([A], "") is None


@pytest.fixture
def temporary(shared, tmp_path, monkeypatch):
    """The temporary folder, for programs that have no XDG_RUNTIME_DIR."""
    place = Path(tmp_path, "tmp")
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_a_state_that_programs_find_which_run_differently_is_named(temporary):
    other = temporary / f"impala-ha-{os.geteuid()}"
    other.mkdir(mode=0o700)
    before = states_not_shown()[1]
    Path(other, "turns").write_bytes(b"")

    assert {*states_not_shown()[1]} - {*before} == {str(other)}
    os.utime(other / "turns", (1, 1))
    assert str(other) not in states_not_shown()[1], "nobody has used it for long"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_users_that_have_a_state_of_their_own_are_named(temporary):
    other = temporary / "impala-ha-1"
    other.mkdir(mode=0o700)
    os.chown(other, 1, 1)

    assert other.owner() in states_not_shown()[0]


# Whom it is about.


def test_while_it_watches_a_source_that_names_nobody_changes_nothing(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("a\nb\n")
    settings = Settings.read({"host": f"file://{path}"}, {})
    first = coordinators_of(settings)
    path.write_text("")

    assert ["a:21050", "b:21050"] == [str(each) for each in first]
    assert first == coordinators_of(settings, first)
    with pytest.raises(click.ClickException, match="the file is empty"):
        coordinators_of(settings)


# Loads.


def loads(**options):
    return LoadReader(SimpleNamespace(options=Options(**options), clock=SystemClock()))


def test_the_load_is_read_where_the_coordinator_says_that_its_pages_are():
    where = Coordinator("127.33.0.2")
    with LoadPages(where.host) as pages:
        assert loads().read(where, f"elsewhere:{pages.port}") == (Load(16), "")
        del pages.pages["/jsonmetrics"]
        why = f"no /jsonmetrics of Impala on port {pages.port}"
        assert loads().read(where, f"elsewhere:{pages.port}") == (None, why)
    assert loads().read(where, "") == (None, "it tells no web server")


def test_a_password_that_was_refused_is_shown_to_no_other_web_server():
    one, two = Coordinator("127.33.0.2"), Coordinator("127.33.0.3")
    with LoadPages(one.host, login=basic) as first, LoadPages(two.host, login=basic) as second:
        reader = loads(web_user=USER, web_password="wrong")
        assert "refused the password" in reader.read(one, f"a:{first.port}")[1]
        assert reader.read(two, f"b:{second.port}") == (None, "web_user was refused elsewhere")
        assert [] == second.asked
        right = loads(web_user=USER, web_password=PASSWORD)
        assert right.read(two, f"b:{second.port}")[0] == Load(16)
