"""A question that may be asked twice survives its connection, on real sockets."""

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from loopback import Answers, Peer, hiveserver2
from thrift.transport.TTransport import TTransportException

from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options

pytestmark = pytest.mark.timeout(30)


def cut():
    return TTransportException(TTransportException.END_OF_FILE, "cut")


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def peer(answers):
    with Peer(hiveserver2(answers)) as found:
        yield found


@pytest.fixture
def link(peer):
    found = ImpylaDriver(Options(timeout=5), SystemClock()).open(peer.coordinator, "etl", {}, 5.0)
    yield found
    found.close()


@pytest.fixture
def operation(link):
    return link.session("etl", {}).execute("select 1", run_async=True)


def test_a_question_whose_answer_was_cut_is_asked_again(operation, answers, peer, until):
    answers.server.script["GetOperationStatus"].append(cut())

    assert "FINISHED_STATE" == operation.get_status()

    assert 2 == answers.server.count("GetOperationStatus")
    until(lambda: peer.accepted == 2)


def test_a_question_on_a_connection_that_broke_before_is_asked_on_a_new_one(
    link, operation, answers
):
    link.client.invalidate(ConnectionResetError("gone"))

    assert "FINISHED_STATE" == operation.get_status()

    assert 1 == answers.server.count("GetOperationStatus")


def test_a_statement_is_never_sent_twice(link, answers):
    session = link.session("etl", {})
    answers.server.script["ExecuteStatement"].append(cut())

    with pytest.raises(CallFailed) as caught:
        session.execute("insert into t values (1)", run_async=True)

    assert Phase.SENT is caught.value.phase
    assert ["insert into t values (1)"] == answers.server.statements()


def test_a_question_to_a_coordinator_that_is_gone_fails_after_one_try_to_come_back(answers):
    with Peer(hiveserver2(answers)) as peer:
        link = ImpylaDriver(Options(), SystemClock()).open(peer.coordinator, "etl", {}, 5.0)
        operation = link.session("etl", {}).execute("select 1", run_async=True)

    with pytest.raises(CallFailed):
        operation.get_status()

    assert None is link.service.reconnect, "the next call need not wait for it"
    link.close()


def test_rows_that_the_server_left_out_are_noticed(operation, answers, link):
    """After a connection was cut in mid-fetch the server may have gone on without us."""

    def third(request):
        columns = [hs2.TColumn(stringVal=hs2.TStringColumn(values=[b"x"], nulls=b"\0"))]
        rows = hs2.TRowSet(startRowOffset=3, rows=[], columns=columns)
        status = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
        return hs2.TFetchResultsResp(status=status, hasMoreRows=False, results=rows)

    answers.server.script["FetchResults"].append(third)

    with pytest.raises(CallFailed, match="went on with row 3, and row 0 was expected") as caught:
        operation.fetch(operation.get_result_schema(), max_rows=1)

    assert Phase.FETCH is caught.value.phase
    assert link.broken
