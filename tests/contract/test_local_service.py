"""The pocket Impala answers each call as Impala does, down to the text."""

from __future__ import annotations

import base64
import json
import re
import time
import zlib

import pytest
from hs2 import Hs2, hs2
from impala._thrift_gen.RuntimeProfile.ttypes import TRuntimeProfileFormat, TRuntimeProfileTree
from impala._thrift_gen.TCLIService import ttypes as t
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.transport.TTransport import TMemoryBuffer, TTransportException

from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

ERROR = t.TStatusCode.ERROR_STATUS
DONE = t.TStatusCode.SUCCESS_STATUS


@pytest.fixture
def client(cluster):
    with hs2(cluster[0]) as client:
        yield client


# -- sessions ------------------------------------------------------------------------------------


def test_opening_a_session_tells_which_coordinator_it_is(cluster):
    for coordinator in cluster:
        with hs2(coordinator) as client:
            answer = client.open(username="etl", configuration={"mem_limit": "1g", "nonsense": "x"})

            assert answer.configuration["http_addr"] == coordinator.web_address
            assert answer.configuration["MEM_LIMIT"] == "1g"
            assert answer.configuration["FETCH_ROWS_TIMEOUT_MS"] == "10000"
            assert "NONSENSE" not in answer.configuration
            assert answer.serverProtocolVersion == 5


def test_the_database_may_come_with_the_session(client):
    client.run("CREATE DATABASE IF NOT EXISTS elsewhere")
    client.open(configuration={"use:database": "elsewhere"})
    operation, _ = client.run("SELECT current_database()")

    assert _values(client.fetch(operation).results.columns[0]) == ["elsewhere"]


def test_use_holds_for_the_next_statement(client):
    client.run("CREATE DATABASE IF NOT EXISTS elsewhere")
    client.run("USE elsewhere")
    operation, _ = client.run("SELECT current_database()")

    assert _values(client.fetch(operation).results.columns[0]) == ["elsewhere"]


def test_a_session_outlives_its_connection_and_can_be_used_from_another(cluster, until):
    with hs2(cluster[0]) as first:
        operation, _ = first.run("SELECT 7")
        session = first.session
    until(lambda: cluster[0].connections == 0)
    second = Hs2(cluster[0])
    second.session = session

    assert not second.execute("SELECT 1").status.errorMessage
    assert not second.fetch(operation).status.errorMessage
    second.close()


def test_a_session_without_a_connection_ends_after_its_time(until):
    flags = {"disconnected_session_timeout": 0}
    with LocalCluster(1, flags=flags) as cluster:
        with hs2(cluster[0]):
            assert len(cluster[0].sessions) == 1
        until(lambda: cluster[0].sessions == [])


def test_before_impala_3_3_a_session_ends_with_its_connection(until):
    with LocalCluster(1, flags={"impala_version": "3.2"}) as cluster:
        with hs2(cluster[0]) as client:
            client.execute("SELECT 1")
            assert len(cluster[0].queries) == 1
        until(lambda: cluster[0].sessions == [])

        assert cluster[0].queries == []


def test_an_idle_session_expires(until):
    with LocalCluster(1, flags={"idle_session_timeout": 1}) as cluster, hs2(cluster[0]) as client:
        used = time.time()
        until(lambda: time.time() > used + 1.1)
        answer = client.call("PingImpalaHS2Service", sessionHandle=client.session)

    assert re.match(
        r"Client session expired due to more than 1s of inactivity "
        r"\(last activity was at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)\.$",
        answer.status.errorMessage,
    )


def test_a_session_of_another_coordinator_is_unknown(cluster, client):
    with hs2(cluster[1]) as other:
        other.session = client.session
        text = other.execute("SELECT 1").status.errorMessage

    assert re.fullmatch(r"Invalid session id: [0-9a-f]{16}:[0-9a-f]{16}", text)


def test_a_wrong_secret_opens_no_session(client):
    client.session.sessionId.secret = b"x" * 16

    assert client.execute("SELECT 1").status.errorMessage.startswith("Invalid session id: ")


def test_a_handle_of_the_wrong_size_is_reported(client):
    client.session.sessionId.guid = b"short"

    assert client.execute("SELECT 1").status.errorMessage == (
        "Malformed THandleIdentifier (guid size: 5, expected 16, secret size: 16, expected 16)"
    )


def test_a_closed_session_is_unknown_and_its_queries_too(cluster, client):
    operation, _ = client.run("SELECT 1")
    client.call("CloseSession", sessionHandle=client.session)

    assert "Invalid session id" in client.execute("SELECT 1").status.errorMessage
    assert "Invalid or unknown query handle" in client.fetch(operation).status.errorMessage
    assert cluster[0].sessions == cluster[0].queries == []


def test_a_user_may_have_so_many_sessions_and_no_more():
    with LocalCluster(1, flags={"max_hs2_sessions_per_user": 1}) as cluster:
        with hs2(cluster[0]) as client:
            answer = client.call("OpenSession", username="etl")
            other = client.call("OpenSession", username="bob")

    assert (
        answer.status.errorMessage == "Number of sessions for user etl exceeds coordinator limit 1"
    )
    assert not other.status.errorMessage


def test_nobody_speaks_for_another_unless_it_is_allowed(client):
    answer = client.call("OpenSession", username="hue", configuration={"impala.doas.user": "bob"})

    assert answer.status.errorMessage == (
        "User 'hue' is not authorized to delegate to 'bob'. User/group delegation is disabled."
    )


@pytest.mark.parametrize(
    ("delegate", "message"),
    [
        ("bob", None),
        ("eve", "User 'hue' is not authorized to delegate to 'eve'."),
        ("", "Unable to delegate using empty doAs username."),
    ],
)
def test_a_proxy_user_speaks_for_whom_it_may(delegate, message):
    flags = {"authorized_proxy_user_config": "etl=*;hue=ann, bob"}
    with LocalCluster(1, flags=flags) as cluster, hs2(cluster[0]) as client:
        answer = client.call(
            "OpenSession", username="hue", configuration={"impala.doas.user": delegate}
        )

    assert answer.status.errorMessage == message


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (t.TGetInfoType.CLI_SERVER_NAME, "Impala"),
        (t.TGetInfoType.CLI_DBMS_NAME, "Impala"),
        (t.TGetInfoType.CLI_DBMS_VER, "impalad version 4.5.0-RELEASE"),
    ],
)
def test_the_server_says_what_it_is(client, kind, value):
    answer = client.call("GetInfo", sessionHandle=client.session, infoType=kind)

    assert answer.infoValue.stringValue.startswith(value)


def test_other_infos_are_not_supported(client):
    answer = client.call(
        "GetInfo", sessionHandle=client.session, infoType=t.TGetInfoType.CLI_MAX_TABLES_IN_SELECT
    )

    assert (answer.status.sqlState, answer.status.errorMessage) == (
        "HYC00",
        "Unsupported operation",
    )


def test_ping_tells_version_and_web_address(cluster, client):
    answer = client.call("PingImpalaHS2Service", sessionHandle=client.session)

    assert answer.status.statusCode == DONE
    assert answer.webserver_address == f"http://{cluster[0].web_address}"
    assert answer.version.startswith("impalad version 4.5")


@pytest.mark.parametrize(
    "rpc", ["GetDelegationToken", "CancelDelegationToken", "RenewDelegationToken"]
)
def test_delegation_tokens_are_not_implemented(client, rpc):
    answer = client.call(rpc, sessionHandle=client.session)

    assert answer.status.statusCode == ERROR
    assert answer.status.errorMessage == "Not implemented"


# -- statements ----------------------------------------------------------------------------------


def test_an_error_of_planning_comes_at_once_with_the_query_id(client):
    answer = client.execute("SELECT * FROM no_such_table")

    assert answer.status.statusCode == ERROR
    assert answer.status.sqlState == "HY000"
    assert re.fullmatch(
        r"Query [0-9a-f]{16}:[0-9a-f]{8}00000000 failed:\n"
        r"AnalysisException: Could not resolve table reference: 'no_such_table'\n",
        answer.status.errorMessage,
    )


def test_before_impala_4_5_an_error_stands_alone():
    with LocalCluster(1, flags={"impala_version": "4.0"}) as cluster, hs2(cluster[0]) as client:
        text = client.execute("SELECT * FROM no_such_table").status.errorMessage

    assert text.startswith("AnalysisException: ")


def test_a_statement_runs_after_its_call_was_answered(client):
    operation = client.execute("SELECT sleep(300)").operationHandle
    status = client.call("GetOperationStatus", operationHandle=operation)

    assert status.operationState == t.TOperationState.RUNNING_STATE
    assert client.finish(operation).operationState == t.TOperationState.FINISHED_STATE


def test_a_status_may_wait(client):
    operation = client.execute(
        "SELECT sleep(300)", confOverlay={"LONG_POLLING_TIME_MS": "10000"}
    ).operationHandle
    status = client.call("GetOperationStatus", operationHandle=operation)

    assert status.operationState == t.TOperationState.FINISHED_STATE


def test_a_fetch_before_the_rows_is_told_to_come_again(client):
    operation = client.execute(
        "SELECT sleep(60000)", confOverlay={"fetch_rows_timeout_ms": "1"}
    ).operationHandle
    answer = client.fetch(operation)

    assert answer.status.statusCode == t.TStatusCode.STILL_EXECUTING_STATUS
    assert answer.results is None
    assert answer.hasMoreRows is True


def test_a_cancelled_query_is_an_error_and_its_handle_stays(cluster, client):
    operation = client.execute("SELECT sleep(60000)").operationHandle
    client.call("CancelOperation", operationHandle=operation)
    status = client.call("GetOperationStatus", operationHandle=operation)

    assert status.status.statusCode == DONE
    assert status.operationState == t.TOperationState.ERROR_STATE
    assert status.errorMessage.endswith("failed:\nCancelled\n")
    assert len(cluster[0].queries) == 1


def test_a_cancel_stops_the_work_itself(cluster, client, until):
    sql = "SELECT count(*) FROM digits a, digits b, digits c, digits d, digits e, digits f, digits g, digits h, digits i, digits j, digits k WHERE a.d + k.d = 77"
    client.run("CREATE TABLE IF NOT EXISTS digits (d INT)")
    client.run("INSERT OVERWRITE digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
    operation = client.execute(sql).operationHandle
    until(lambda: cluster.executions(sql) == 1)
    client.call("CancelOperation", operationHandle=operation)

    until(lambda: "cancelled" in [e.event for e in cluster.journal() if e.sql == sql])


def test_a_query_runs_on_when_its_client_is_gone(cluster, until):
    sql = "SELECT sleep(301)"
    with hs2(cluster[0]) as client:
        client.execute(sql)

    until(lambda: cluster.executions(sql, mode="finished") == 1)


def test_closing_a_session_stops_what_runs_in_it(cluster, client, until):
    sql = "SELECT sleep(59999)"
    client.execute(sql)
    client.call("CloseSession", sessionHandle=client.session)

    until(lambda: "cancelled" in [e.event for e in cluster.journal() if e.sql == sql])


def test_a_failed_fetch_ends_the_query(cluster, client):
    operation = client.execute("SELECT sleep(60000)").operationHandle
    client.call("CancelOperation", operationHandle=operation)
    first, second = client.fetch(operation), client.fetch(operation)

    assert first.status.errorMessage.endswith("failed:\nCancelled\n")
    assert re.fullmatch(
        r"Invalid or unknown query handle: [0-9a-f:]{33}\.", second.status.errorMessage
    )
    assert cluster[0].queries == []


def test_a_lost_handle_is_reported_by_status_and_state(client):
    operation, _ = client.run("SELECT 1")
    client.call("CloseOperation", operationHandle=operation)
    status = client.call("GetOperationStatus", operationHandle=operation)

    assert status.status.statusCode == ERROR
    assert status.operationState == t.TOperationState.ERROR_STATE


def test_a_wrong_secret_opens_no_query(client):
    operation, _ = client.run("SELECT 1")
    operation.operationId.secret = b"x" * 16
    text = client.fetch(operation).status.errorMessage

    assert re.fullmatch(r"Query id [0-9a-f:]{33} not found\.", text)


def test_fetching_from_the_start_again_is_refused_and_the_query_stays(client):
    operation, _ = client.run("SELECT 1")
    text = client.fetch(operation, orientation=t.TFetchOrientation.FETCH_FIRST).status.errorMessage

    assert "Restarting of fetch requires enabling of query result caching." in text
    assert client.fetch(operation).results is not None


def test_fetching_backwards_is_not_supported(client):
    operation, _ = client.run("SELECT 1")
    answer = client.fetch(operation, orientation=t.TFetchOrientation.FETCH_PRIOR)

    assert (answer.status.sqlState, answer.status.errorMessage) == (
        "HYC00",
        "Unsupported operation",
    )


@pytest.mark.parametrize("batch", [1, 7, 1000, 1024, 2500, 5000])
def test_batches_have_the_number_of_their_first_row_and_make_up_the_result(client, batch):
    client.run("CREATE TABLE IF NOT EXISTS digits (d INT)")
    client.run("INSERT OVERWRITE digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
    operation, _ = client.run(
        "SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n "
        "FROM digits a, digits b, digits c, digits e WHERE e.d < 2 ORDER BY n"
    )
    values, more = [], True
    while more:
        answer = client.fetch(operation, rows=batch)
        assert answer.results.startRowOffset == len(values)
        taken = list(_values(answer.results.columns[0]))
        assert len(taken) <= batch
        values += taken
        more = answer.hasMoreRows

    assert values == list(range(2000))


def test_a_small_result_says_at_once_that_it_is_all(client):
    operation, _ = client.run("SELECT 1")

    assert client.fetch(operation).hasMoreRows is False
    assert _values(client.fetch(operation).results.columns[0]) == []


def test_every_type_travels_with_its_nulls(client):
    client.run(
        "CREATE TABLE IF NOT EXISTS kinds (a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, "
        "f FLOAT, g DOUBLE, h STRING, i TIMESTAMP, j DATE, k DECIMAL(18,4), l VARCHAR(10), "
        "m CHAR(3))"
    )
    client.run(
        "INSERT OVERWRITE kinds VALUES (true, 1, 2, 3, 4, 0.5, 0.25, 'text', "
        "CAST('2020-01-02 03:04:05.123456' AS TIMESTAMP), CAST('2020-01-02' AS DATE), "
        "1.5, CAST('vc' AS VARCHAR(10)), CAST('chr' AS CHAR(3))), "
        f"({', '.join(['NULL'] * 13)})"
    )
    operation, _ = client.run("SELECT * FROM kinds ORDER BY d")
    schema = client.call("GetResultSetMetadata", operationHandle=operation).schema
    columns = client.fetch(operation).results.columns
    types = [column.typeDesc.types[0].primitiveEntry for column in schema.columns]

    assert [_values(column)[0] for column in columns] == [
        *(True, 1, 2, 3, 4, 0.5, 0.25, "text"),
        *("2020-01-02 03:04:05.123456000", "2020-01-02", "1.5000", "vc", "chr"),
    ]
    assert [_nulls(column) for column in columns] == [b"\x02"] * len(columns)
    assert [each.type for each in types[:11]] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 17, 15]
    assert _qualifiers(types[10]) == {"precision": 18, "scale": 4}


def test_null_bits_go_on_over_bytes(client):
    client.run("CREATE TABLE IF NOT EXISTS gaps (x INT)")
    rows = ",".join(f"({n})" if n % 3 else f"({-n})" for n in range(1, 20))
    client.run(f"INSERT OVERWRITE gaps VALUES {rows}")
    operation, _ = client.run(
        "SELECT CASE WHEN x < 0 THEN NULL ELSE x END FROM gaps ORDER BY abs(x)"
    )
    column = client.fetch(operation).results.columns[0]
    bits = int.from_bytes(_nulls(column), "little")

    assert [bool(bits >> row & 1) for row in range(19)] == [n % 3 == 0 for n in range(1, 20)]


def test_an_empty_result_has_its_columns(client):
    operation, _ = client.run("SELECT 1 AS a, 'x' AS b WHERE false")
    answer = client.fetch(operation)

    assert [_values(column) for column in answer.results.columns] == [[], []]
    assert answer.hasMoreRows is False


def test_a_cell_of_20_mb_passes(client):
    size = 20_000_000
    operation, _ = client.run(f"SELECT repeat('x', {size})")
    column = client.fetch(operation).results.columns[0]

    assert len(column.stringVal.values[0]) == size


def test_ten_thousand_columns_pass(client):
    operation, _ = client.run("SELECT " + ",".join(f"{n} AS c{n}" for n in range(10_000)))
    schema = client.call("GetResultSetMetadata", operationHandle=operation).schema
    columns = client.fetch(operation).results.columns

    assert len(schema.columns) == len(columns) == 10_000
    assert _values(columns[-1]) == [9999]


def test_ddl_answers_with_one_row_called_summary(client):
    client.run("DROP TABLE IF EXISTS summed")
    operation, status = client.run("CREATE TABLE summed (x INT)")
    schema = client.call("GetResultSetMetadata", operationHandle=operation).schema
    rows = _values(client.fetch(operation).results.columns[0])

    assert status.hasResultSet is True
    assert [column.columnName for column in schema.columns] == ["summary"]
    assert rows == ["Table has been created."]


def test_closing_a_dml_tells_its_rows_once(client):
    client.run("CREATE TABLE IF NOT EXISTS counted_rows (x INT)")
    operation, status = client.run("INSERT INTO counted_rows VALUES (1), (2), (3)")
    profile = client.call(
        "GetRuntimeProfile", operationHandle=operation, sessionHandle=client.session
    ).profile
    first = client.call("CloseImpalaOperation", operationHandle=operation)
    second = client.call("CloseImpalaOperation", operationHandle=operation)

    assert status.hasResultSet is False
    assert sum(first.dml_result.rows_modified.values()) == 3
    assert first.dml_result.num_row_errors == 0
    assert second.status.errorMessage.startswith("Invalid or unknown query handle: ")
    assert "NumModifiedRows: 3\n" in profile
    assert "NumRowErrors: 0\n" in profile


def test_closing_a_query_tells_no_rows(client):
    operation, _ = client.run("SELECT 1")

    assert client.call("CloseImpalaOperation", operationHandle=operation).dml_result is None


# -- reports -------------------------------------------------------------------------------------


def test_the_profile_says_what_tools_look_for_even_after_the_close(cluster, client):
    sql = "SELECT 'profiled'"
    operation, _ = client.run(sql)
    client.call("CloseOperation", operationHandle=operation)
    profile = client.call(
        "GetRuntimeProfile", operationHandle=operation, sessionHandle=client.session
    ).profile

    for line in [
        "Query (id=",
        "Session ID: ",
        "Query State: FINISHED",
        "Query Status: OK",
        "Default Db: default",
        f"Sql Statement: {sql}",
        f"Coordinator: {cluster[0].host}:27000",
        "User: etl",
    ]:
        assert line in profile


def test_the_profile_comes_in_every_format(client):
    operation, _ = client.run("SELECT 'formats'")

    def ask(kind):
        return client.call(
            "GetRuntimeProfile",
            operationHandle=operation,
            sessionHandle=client.session,
            format=kind,
        )

    tree = TRuntimeProfileTree()
    packed = zlib.decompress(base64.b64decode(ask(TRuntimeProfileFormat.BASE64).profile))
    tree.read(TCompactProtocol(TMemoryBuffer(packed)))
    as_json = json.loads(ask(TRuntimeProfileFormat.JSON).profile)
    as_thrift = ask(TRuntimeProfileFormat.THRIFT).thrift_profile

    assert tree.nodes[1].info_strings["Sql Statement"] == "SELECT 'formats'"
    assert as_thrift.nodes[1].info_strings == tree.nodes[1].info_strings
    assert as_json["contents"]["profile_name"].startswith("Query (id=")


def test_the_profile_of_an_unknown_query_is_refused(client):
    operation, _ = client.run("SELECT 1")
    operation.operationId.guid = b"y" * 16
    answer = client.call(
        "GetRuntimeProfile", operationHandle=operation, sessionHandle=client.session
    )

    assert answer.status.errorMessage.endswith(" not found.")


def test_the_log_tells_how_far_a_query_is_and_what_went_wrong(cluster, client):
    good, _ = client.run("SELECT 1")
    cluster[0].fail_next("the reason", at="status")
    bad, _ = client.run("SELECT 1")
    use, _ = client.run("USE default")
    logs = [client.call("GetLog", operationHandle=each).log for each in (good, bad, use)]

    assert re.fullmatch(r"Query [0-9a-f:]{33}: 100% Complete \(1 out of 1\)\n", logs[0])
    assert re.fullmatch(r"Query [0-9a-f:]{33}: 0% Complete \(0 out of 1\)\nthe reason", logs[1])
    assert logs[2] == ""


def test_the_summary_has_a_node(client):
    operation, _ = client.run("SELECT 1")
    answer = client.call("GetExecSummary", operationHandle=operation, sessionHandle=client.session)

    assert [node.label for node in answer.summary.nodes] == ["00:QUERY"]


# -- metadata ------------------------------------------------------------------------------------


def _rows(client, rpc, **fields):
    answer = client.call(rpc, sessionHandle=client.session, **fields)
    assert not answer.status.errorMessage, answer.status.errorMessage
    columns = client.fetch(answer.operationHandle, rows=5000).results.columns
    return list(zip(*[_values(column) for column in columns], strict=True))


def test_drivers_find_databases_tables_columns(client):
    client.run("CREATE DATABASE IF NOT EXISTS shop")
    client.run("CREATE TABLE IF NOT EXISTS shop.orders (id BIGINT, paid BOOLEAN)")
    client.run("CREATE VIEW IF NOT EXISTS shop.paid AS SELECT id FROM shop.orders WHERE paid")

    assert [row[0] for row in _rows(client, "GetSchemas", schemaName="sh%")] == ["shop"]
    assert {row[2] for row in _rows(client, "GetTables", schemaName="shop", tableName=".*")} == {
        "orders",
        "paid",
    }
    views = _rows(client, "GetTables", schemaName="shop", tableTypes=["VIEW"])
    assert {(row[2], row[3]) for row in views} == {("paid", "VIEW")}
    columns = _rows(client, "GetColumns", schemaName="shop", tableName="orders")
    assert [row[3] for row in columns] == ["id", "paid"]


def test_drivers_find_the_fixed_lists(client):
    types = {row[0] for row in _rows(client, "GetTypeInfo")}

    assert _rows(client, "GetCatalogs") == []
    assert _rows(client, "GetTableTypes") == [("TABLE",), ("VIEW",)]
    assert {"BIGINT", "STRING", "TIMESTAMP", "DECIMAL"} <= types


def test_drivers_find_functions(client):
    assert isinstance(_rows(client, "GetFunctions", functionName="no_such_function"), list)


# -- the wire ------------------------------------------------------------------------------------


def test_a_call_that_nobody_knows_leaves_the_connection_usable(client):
    client.client.send_GetInfo(t.TGetInfoReq(sessionHandle=client.session, infoType=13))
    client.client.recv_GetInfo()
    protocol = client.client._oprot
    protocol.writeMessageBegin("NoSuchCall", 1, 0)
    protocol.writeStructBegin("args")
    protocol.writeFieldStop()
    protocol.writeStructEnd()
    protocol.writeMessageEnd()
    protocol.trans.flush()
    name, kind, _ = client.client._iprot.readMessageBegin()
    client.client._iprot.skip(12)

    assert (name, kind) == ("NoSuchCall", 3)
    assert not client.execute("SELECT 1").status.errorMessage


def test_calls_may_be_sent_before_the_answers_are_read(client):
    info = t.TGetInfoReq(sessionHandle=client.session, infoType=t.TGetInfoType.CLI_SERVER_NAME)
    for _ in range(5):
        client.client.send_GetInfo(info)

    assert [client.client.recv_GetInfo().infoValue.stringValue for _ in range(5)] == ["Impala"] * 5


@pytest.mark.parametrize(
    "garbage", [b"\x80\x01\x00\x01\0\0\0\4\xff\xff\xff\xff", b"\x80\x01\x00\x01\xff" * 9]
)
def test_garbage_ends_the_connection_and_nothing_else(cluster, garbage):
    log = cluster.directory / "log.txt"
    before = log.read_text()
    broken = Hs2(cluster[0])
    broken.transport.write(garbage)
    broken.transport.flush()
    with pytest.raises((TTransportException, EOFError)):
        broken.transport.readAll(1)
    broken.close()

    assert log.read_text() == before


def test_what_is_no_thrift_ends_the_connection(cluster):
    client = Hs2(cluster[0])
    client.transport.write(b"GET / HTTP/1.1\r\n\r\n")
    client.transport.flush()
    with pytest.raises((TTransportException, EOFError)):
        client.transport.readAll(1)
    client.close()


FIELDS = ["boolVal", "byteVal", "i16Val", "i32Val", "i64Val", "doubleVal", "stringVal", "binaryVal"]


def _column(column):
    return next(value for field in FIELDS if (value := getattr(column, field)) is not None)


def _values(column):
    # impyla's generated classes leave strings as bytes.
    values = _column(column).values
    return [each.decode() if isinstance(each, bytes) else each for each in values]


def _nulls(column):
    return _column(column).nulls


def _qualifiers(entry):
    return {name: value.i32Value for name, value in entry.typeQualifiers.qualifiers.items()}
