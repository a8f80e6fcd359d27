"""What a coordinator's web pages say of its load, and how it is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impala_ha.balancing.readings import SIZE, Load, Reading, load_of, threads_of
from load_pages import FRONTEND, flags, metrics

NAME = "hiveserver2-frontend"


@pytest.mark.parametrize(
    ("load", "figure"),
    [
        (Load(0), 0.0),
        (Load(16), 0.25),
        (Load(16, 32), 0.5),
        (Load(10, waiting=6), 0.25),
        (Load(0, queries=32), 0.5),
        (Load(32, queries=32), 0.75),
        (Load(0, memory=0.4), 0.4),
        (Load(32, memory=0.5), 0.75),
        (Load(64), 1.0),
        (Load(64, waiting=500), 1.0),
        (Load(0, queries=9999), 1.0),
    ],
)
def test_a_figure_is_what_is_not_free(load, figure):
    assert load.figure == pytest.approx(figure)


COUNTS = st.integers(0, 200)


LOADS = st.builds(Load, COUNTS, st.integers(1, 100), COUNTS, COUNTS, st.floats(0, 1))


@given(LOADS, st.sampled_from(["connections", "waiting", "queries", "memory"]))
def test_more_of_anything_is_never_less_load(load, name):
    more = load._replace(**{name: 1.0 if name == "memory" else 201})

    assert 0 <= load.figure <= more.figure <= 1


def test_three_pages_make_a_load():
    told = metrics(
        9,
        **{
            f"{FRONTEND}.connection-setup-queue-size": 2,
            "impala-server.num-queries-registered": 5,
            "memory.rss": 3 * 2**30,
            "mem-tracker.process.limit": 4 * 2**30,
        },
    )

    load = load_of(told, threads_of(flags(32)), {"is_quiescing": True}, NAME)

    assert Load(9, 32, 2, 5, 0.75, quiescing=True) == load


def test_only_connections_are_needed():
    assert Load(9) == load_of(metrics(9), threads_of({}), {}, NAME)


@pytest.mark.parametrize(
    "page", [{}, {f"{FRONTEND}.connections-in-use": "9"}, metrics(-1), metrics(True), {"x": 1}]
)
def test_other_json_is_no_load(page):
    assert load_of(page, 32, {}, NAME) is None


@pytest.mark.parametrize(
    "page",
    [
        *({}, {"flags": 7}, {"flags": [7, {}]}),
        *(flags("many"), flags(0), flags(-1), flags(99999), flags("9" * 5000)),
    ],
)
def test_without_the_flag_there_are_as_many_threads_as_by_default(page):
    assert 64 == threads_of(page)


def test_the_port_of_http_has_connections_of_its_own():
    page = {**metrics(9), "impala.thrift-server.hiveserver2-http-frontend.connections-in-use": 3}

    assert 3 == load_of(page, 64, {}, "hiveserver2-http-frontend").connections


READING = Reading(b"k" * 8, 100.0, 99.0, 101.0, 105.0, 25000, Load(9, 32, 2, 5, 0.75, True))


def test_a_reading_is_64_bytes_and_back():
    assert SIZE == len(READING.packed())
    assert READING == Reading.unpacked(READING.packed(), 100.0)


def test_more_than_there_is_room_for_is_the_most():
    found = Reading.unpacked(Reading(b"k" * 8, load=Load(10**9)).packed(), 1.0)

    assert 65535 == found.load.connections


@pytest.mark.parametrize("at", range(SIZE))
def test_a_reading_with_a_damaged_byte_is_none(at):
    data = bytearray(READING.packed())
    data[at] ^= 0xFF

    assert Reading.unpacked(bytes(data), 100.0) is None


def test_a_reading_of_another_clock_is_none():
    assert Reading.unpacked(READING.packed(), 50.0) is None
    assert Reading.unpacked(Reading(b"k" * 8, next_at=9999.0).packed(), 100.0) is None
    assert Reading.unpacked(Reading(b"k" * 8, read_at=float("nan")).packed(), 100.0) is None
