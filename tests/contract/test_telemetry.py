"""Spans, metrics and reports of calls that go well, move, and fail: on real coordinators."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import prometheus_client
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import impala_ha
import impala_ha.opentelemetry
import impala_ha.prometheus
from impala_ha.core import observers
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.timeout(60)
DATA = Path(__file__).parents[2] / "examples" / "data"


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(2, data=DATA) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def whole(cluster):
    yield
    cluster.heal()


class Seen:
    """What OpenTelemetry exports."""

    def __init__(self):
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = tracers.get_tracer("program")
        impala_ha.opentelemetry.instrument(tracers, MeterProvider([self._reader]))

    @property
    def spans(self):
        return self._exporter.get_finished_spans()

    def calls(self):
        return [each for each in self.spans if each.kind is SpanKind.CLIENT]

    def attempts(self, span):
        mine = [
            each
            for each in self.spans
            if each.parent and each.parent.span_id == span.context.span_id
        ]
        return [each for each in mine if each.name == "attempt"]

    def durations(self):
        (metrics,) = self._reader.get_metrics_data().resource_metrics
        (scope,) = metrics.scope_metrics
        (metric,) = scope.metrics
        assert ("db.client.operation.duration", "s") == (metric.name, metric.unit)
        return [(dict(point.attributes), point) for point in metric.data.data_points]


@pytest.fixture
def seen():
    yield Seen()
    impala_ha.opentelemetry.uninstrument()


@pytest.fixture
def registry():
    registry = prometheus_client.CollectorRegistry()
    impala_ha.prometheus.instrument(registry)
    yield registry
    impala_ha.prometheus.uninstrument()


def on(cluster, connection):
    """The coordinator that *connection* is on."""
    return next(each for each in cluster if each.address == str(connection.coordinator))


def lose(cluster, connection):
    """Kill the coordinator that *connection* is on."""
    lost = connection.coordinator
    on(cluster, connection).kill()
    return lost


# OpenTelemetry.


def test_a_statement_is_a_client_span_with_the_names_of_the_conventions(cluster, seen):
    with impala_ha.connect(cluster.hosts, database="default") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT name FROM airlines WHERE airline_id = %s AND name <> 'Ann'", [7])
        cursor.fetchall()
        where, query_id = connection.coordinator, cursor.query_id

    connect, statement = seen.calls()
    assert ("connect", "SELECT airlines") == (connect.name, statement.name)
    assert statement.attributes == {
        "db.system.name": "impala",
        "db.namespace": "default",
        "db.operation.name": "SELECT",
        "db.collection.name": "airlines",
        "db.query.summary": "SELECT airlines",
        "db.query.text": "SELECT name FROM airlines WHERE airline_id = ? AND name <> ?",
        "server.address": where.host,
        "server.port": where.port,
        "impala_ha.attempts": 1,
        "impala_ha.query_id": query_id,
    }
    (attempt,) = seen.attempts(statement)
    assert statement.start_time <= attempt.start_time <= attempt.end_time <= statement.end_time


def test_spans_are_children_of_the_programs_own(cluster, seen):
    with seen.tracer.start_as_current_span("job") as job:
        impala_ha.connect(cluster.hosts).close()

    assert {job.context.span_id} == {each.parent.span_id for each in seen.calls()}


def test_a_statement_that_moved_has_the_address_of_who_served_it(cluster, seen):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        lost = lose(cluster, connection)
        cursor.execute("SELECT 2")
        served = connection.coordinator

    statement = seen.calls()[-1]
    assert (served.port, StatusCode.UNSET) == (
        statement.attributes["server.port"],
        statement.status.status_code,
    )
    first, second = seen.attempts(statement)
    assert (lost.port, served.port) == tuple(e.attributes["server.port"] for e in (first, second))
    assert ("UNREACHABLE", StatusCode.ERROR) == (
        first.attributes["error.type"],
        first.status.status_code,
    )
    assert "error.type" not in second.attributes


def test_an_error_has_its_type_and_none_of_its_text(cluster, seen):
    with impala_ha.connect(cluster.hosts) as connection, pytest.raises(impala_ha.Error):
        connection.cursor().execute("SELECT secret_name FROM nowhere")

    statement = seen.calls()[-1]
    assert StatusCode.ERROR is statement.status.status_code
    assert "impala.error.HiveServer2Error" == statement.attributes["error.type"]
    ((labels, point),) = [each for each in seen.durations() if "error.type" in each[0]]
    assert ("SELECT", 1) == (labels["db.operation.name"], point.count)
    assert (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10) == point.explicit_bounds


def test_reading_a_result_is_a_span_only_where_it_did_not_go_well(cluster, seen):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor()
        cursor.arraysize = 10
        cursor.execute("SELECT * FROM flights", configuration={"FETCH_ROWS_TIMEOUT_MS": "0"})
        cursor.fetchmany(1)
        lose(cluster, connection)
        with pytest.raises(impala_ha.ResultLost):
            cursor.fetchall()

    assert ["connect", "SELECT flights", "SELECT flights"] == [e.name for e in seen.calls()]
    assert "impala_ha.errors.ResultLost" == seen.calls()[-1].attributes["error.type"]


class Broken(SpanProcessor):
    """Fails where an attempt begins."""

    def on_start(self, span, parent_context=None):
        del parent_context
        if span.name == "attempt":
            raise RuntimeError("no room")


def test_a_span_that_cannot_be_made_does_not_stay_the_current_one(cluster):
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    impala_ha.opentelemetry.instrument(provider)
    try:
        with impala_ha.connect(cluster.hosts) as connection:
            connection.cursor().execute("SELECT 1")
    finally:
        impala_ha.opentelemetry.uninstrument()

    assert not trace.get_current_span().get_span_context().is_valid


def test_nothing_is_seen_any_more_after_uninstrument(cluster, seen):
    impala_ha.opentelemetry.uninstrument()
    impala_ha.connect(cluster.hosts).close()

    assert () == seen.spans


# Prometheus.


def test_calls_attempts_and_ejections_are_counted(cluster, registry):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        lost = str(lose(cluster, connection))
        cursor.execute("SELECT 2")
        served = str(connection.coordinator)

    def value(name, **labels):
        return registry.get_sample_value(f"impala_ha_{name}", labels)

    assert value("call_seconds_count", operation="execute", coordinator=served, error="") == 1
    assert value("attempts_total", coordinator=lost, fault="UNREACHABLE") == 1
    assert value("events_total", event="FailedOver", coordinator=served) == 1
    assert value("lost_seconds_total", operation="execute") > 0
    assert value("coordinator_ejected", coordinator=lost) == 1
    assert b"impala_ha_call_seconds_bucket" in prometheus_client.generate_latest(registry)


def test_metrics_can_be_registered_again(registry):
    impala_ha.prometheus.instrument(registry)
    impala_ha.prometheus.instrument(registry)


# Whoever watches cannot disturb.


def test_an_observer_that_raises_harms_nothing(cluster, caplog):
    class Bad:
        def started(self, call):
            raise RuntimeError("no")

        ended = happened = started

    observer = Bad()
    observers.add(observer)
    try:
        with caplog.at_level(logging.WARNING), impala_ha.connect(cluster.hosts) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            assert [(1,)] == cursor.fetchall()
    finally:
        observers.remove(observer)
    assert "an observer of calls raised RuntimeError: no" in caplog.text


# The report.


def test_a_report_says_what_ran_again_and_why_that_was_safe(cluster):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        lost = str(connection.coordinator)
        on(cluster, connection).cut("ExecuteStatement:response", 3)
        cursor.execute("SELECT name FROM airlines WHERE name = 'Ann'")
        served = str(connection.coordinator)
        report = json.loads(json.dumps(connection.report()))

    assert report["statements"] == 2
    assert report["failed_calls"] == 0
    assert report["coordinators"][lost]["failed"] == 1
    assert report["coordinators"][served]["failed"] == 0
    assert 0 < report["seconds_lost"] < report["seconds"]
    (failure,), (again,) = report["failures"], report["run_again"]
    assert ("execute", "SELECT airlines", "LOST", lost) == tuple(
        failure[name] for name in ("operation", "statement", "fault", "coordinator")
    )
    assert ("it reads", served, lost) == (
        again["why"],
        again["went_on_at"],
        again["lost"]["coordinator"],
    )
    assert "Ann" not in str(report)


def test_a_report_has_the_writes_whose_outcome_is_unknown(cluster):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS reported (a INT)")
        on(cluster, connection).cut("ExecuteStatement:response", 3)
        with pytest.raises(impala_ha.OutcomeUnknown) as caught:
            cursor.execute("INSERT INTO reported VALUES (1)")

        (entry,) = connection.report()["outcome_unknown"]
    assert ("INSERT reported", caught.value.statement_tag) == (entry["statement"], entry["tag"])


PROGRAM = """
import sys, impala_ha
connection = impala_ha.connect(sys.argv[1])
connection.cursor().execute("SELECT 1")
if sys.argv[2:] == ["close"]:
    connection.close()
"""


@pytest.mark.parametrize("how", ["close", "leave"])
def test_each_connection_appends_a_line_when_it_ends(cluster, tmp_path, how):
    path = tmp_path / "report.jsonl"
    environ = {**os.environ, "IMPALA_HA_REPORT": str(path), "IMPALA_HA_SHARE_STATE": "0"}
    program = tmp_path / "nightly.py"
    program.write_text(PROGRAM)
    for _ in range(2):
        subprocess.run([sys.executable, program, cluster.hosts, how], env=environ, check=True)

    reports = [json.loads(line) for line in path.read_text().splitlines()]
    assert [("nightly.py", 1)] * 2 == [(each["program"], each["statements"]) for each in reports]
    assert 0o600 == path.stat().st_mode & 0o777


def test_a_report_that_cannot_be_written_is_told_before_anything_is_opened(tmp_path):
    with pytest.raises(impala_ha.ConfigurationError, match="report must be a file that can be"):
        impala_ha.connect("nobody.invalid", report=str(tmp_path / "none" / "report.jsonl"))


@pytest.mark.timeout(30)
def test_a_report_for_a_pipe_that_nobody_reads_is_not_waited_for(cluster, tmp_path, caplog):
    path = tmp_path / "report"
    os.mkfifo(path)
    impala_ha.connect(cluster.hosts, report=str(path)).close()

    assert f"the report cannot be written to {path}" in caplog.text


# What a statement is known by.


def test_a_cursor_tells_its_query_and_where_its_page_is(cluster):
    with impala_ha.connect(cluster.hosts) as connection:
        cursor = connection.cursor()
        assert cursor.query_id is cursor.query_url is None
        cursor.execute("SELECT 1")

        assert f"query_plan?query_id={cursor.query_id}" in cursor.query_url
        assert cursor.query_id in cursor.get_profile()


@pytest.mark.parametrize("given", [None, "sales, nightly"])
def test_the_server_knows_program_and_job(cluster, given, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/jobs/load sales.py"])
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "nightly")
    monkeypatch.setenv("AIRFLOW_CTX_TASK_ID", "load")
    with impala_ha.connect(cluster.hosts, client_identifier=given) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        read = cursor.get_profile()
        cursor.execute("CREATE TABLE IF NOT EXISTS known (a INT)")
        write = cursor.get_profile()

    name = given or "load sales.py nightly.load"
    assert f"CLIENT_IDENTIFIER={name}" in read
    assert f"CLIENT_IDENTIFIER={name} impala-ha-" in write
