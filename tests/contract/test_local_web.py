"""The pocket Impala's web page says what Impala's says, also while the coordinator is unwell."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pytest
from hs2 import hs2
from impala._thrift_gen.TCLIService import ttypes as t

from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers

WAIT_SECONDS = 10
SLOW = "SELECT sleep(60000)"


def get(coordinator, path, timeout=WAIT_SECONDS):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{coordinator.web_address}{path}", timeout=timeout) as answer:
        return answer.read().decode()


def page(coordinator, path):
    return json.loads(get(coordinator, f"{path}?json"))


def inflight(coordinator):
    return page(coordinator, "/queries")["in_flight_queries"]


def completed(coordinator, sql):
    found = page(coordinator, "/queries")["completed_queries"]
    return [row for row in found if row["stmt"] == sql]


def id_of(operation):
    guid = operation.operationId.guid
    return f"{int.from_bytes(guid[:8], 'little'):016x}:{int.from_bytes(guid[8:], 'little'):016x}"


# -- where it is ---------------------------------------------------------------------------------


def test_a_session_is_told_where_the_page_of_its_coordinator_is(cluster):
    for coordinator in cluster:
        with hs2(coordinator) as client:
            told = client.open(username="etl").configuration["http_addr"]
            ping = client.call("PingImpalaHS2Service", sessionHandle=client.session)

        assert told == coordinator.web_address
        assert ping.webserver_address == f"http://{coordinator.web_address}"
    assert len({coordinator.web_address for coordinator in cluster}) == len(cluster)


def test_two_clusters_at_once_have_pages_of_their_own(cluster):
    with LocalCluster(1) as other:
        with hs2(other[0]) as client:
            client.run("SELECT 'over there'")

            assert [row["stmt"] for row in inflight(other[0])] == ["SELECT 'over there'"]
        assert inflight(cluster[0]) == []


def test_a_port_that_was_asked_for_and_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises((OSError, RuntimeError), match=f"127.0.0.1:{port}"):
            LocalCluster(1, flags={"webserver_port": port}).start()


# -- queries -------------------------------------------------------------------------------------


def test_a_running_statement_is_in_flight(cluster):
    with hs2(cluster[0], timeout=WAIT_SECONDS) as client:
        operation = client.execute(SLOW).operationHandle
        (row,) = inflight(cluster[0])
        client.call("CancelOperation", operationHandle=operation)

    assert row["query_id"] == id_of(operation)
    assert (row["stmt"], row["stmt_type"], row["state"]) == (SLOW, "QUERY", "RUNNING")
    assert (row["effective_user"], row["default_db"]) == ("etl", "default")
    assert (row["waiting"], row["executing"], row["rows_fetched"]) == (False, True, 0)
    assert row["end_time"].startswith("19"), "the epoch, as in Impala"


def test_a_statement_whose_rows_were_not_fetched_is_finished_and_in_flight(cluster):
    with hs2(cluster[0]) as client:
        client.run("SELECT 1")
        (row,) = inflight(cluster[0])

    assert (row["state"], row["waiting"]) == ("FINISHED", False)


def test_a_statement_that_failed_is_in_flight_as_an_exception_until_it_is_closed(cluster):
    cluster[0].fail_next("no luck", at="status")
    with hs2(cluster[0]) as client:
        operation, _ = client.run("SELECT 'no luck'")
        (row,) = inflight(cluster[0])
        client.call("CloseOperation", operationHandle=operation)

        assert (row["state"], row["waiting"]) == ("EXCEPTION", True)
        assert inflight(cluster[0]) == []
        assert [each["state"] for each in completed(cluster[0], "SELECT 'no luck'")] == [
            "EXCEPTION"
        ]


def test_a_closed_statement_is_completed_with_its_rows_and_times(cluster):
    with hs2(cluster[0]) as client:
        operation, _ = client.run("SELECT 'closed' UNION ALL SELECT 'x'")
        client.fetch(operation)
        client.call("CloseOperation", operationHandle=operation)
    (row,) = completed(cluster[0], "SELECT 'closed' UNION ALL SELECT 'x'")

    assert row["query_id"] == id_of(operation)
    assert (row["state"], row["rows_fetched"]) == ("FINISHED", 2)
    assert row["start_time"] <= row["end_time"]
    assert (row["waiting"], row["executing"]) == (False, False)


def test_a_statement_that_is_closed_while_it_runs_was_cancelled(cluster):
    sql = "SELECT sleep(50000)"
    with hs2(cluster[0]) as client:
        operation = client.execute(sql).operationHandle
        client.call("CloseOperation", operationHandle=operation)

        assert [row["state"] for row in completed(cluster[0], sql)] == ["EXCEPTION"]


def test_an_insert_that_has_finished_stays_so_whatever_is_cancelled_afterwards(cluster):
    sql = "INSERT INTO cancelled_late VALUES (1)"
    with hs2(cluster[0]) as client:
        client.run("CREATE TABLE IF NOT EXISTS cancelled_late (n INT)")
        operation, _ = client.run(sql)
        client.call("CancelOperation", operationHandle=operation)
        status = client.call("GetOperationStatus", operationHandle=operation)
        client.call("CloseOperation", operationHandle=operation)

        assert status.operationState == t.TOperationState.FINISHED_STATE
        assert [row["state"] for row in completed(cluster[0], sql)] == ["FINISHED"]


def test_a_statement_that_does_not_plan_is_completed_as_an_exception(cluster):
    sql = "SELECT 1 FROM no_such_table_at_all"
    with hs2(cluster[0]) as client:
        refused = client.execute(sql)
    (row,) = completed(cluster[0], sql)

    assert row["query_id"] in refused.status.errorMessage
    assert (row["state"], row["stmt_type"]) == ("EXCEPTION", "UNKNOWN")


def test_statements_of_a_lost_session_are_completed(cluster):
    sql = "SELECT sleep(40000)"
    with hs2(cluster[0]) as client:
        client.execute(sql)
        cluster[0].lose_sessions()

    assert [row["state"] for row in completed(cluster[0], sql)] == ["EXCEPTION"]
    assert inflight(cluster[0]) == []


def test_a_long_text_is_cut_at_250_characters(cluster):
    sql = f"SELECT '{'x' * 300}'"
    with hs2(cluster[0]) as client:
        operation, _ = client.run(sql)
        (row,) = inflight(cluster[0])
        client.call("CloseOperation", operationHandle=operation)
    shown = sql[:250] + "..."

    assert row["stmt"] == shown
    assert len(completed(cluster[0], shown)) == 1


def test_the_last_200_statements_are_completed_the_newest_first():
    with LocalCluster(1) as own, hs2(own[0]) as client:
        for number in range(201):
            operation, _ = client.run(f"SELECT {number}")
            client.call("CloseOperation", operationHandle=operation)
        shown = [row["stmt"] for row in page(own[0], "/queries")["completed_queries"]]

    assert shown == [f"SELECT {number}" for number in range(200, 0, -1)]


def test_what_was_completed_is_forgotten_by_a_kill(cluster):
    with hs2(cluster[2]) as client:
        operation, _ = client.run("SELECT 'forgotten'")
        client.call("CloseOperation", operationHandle=operation)

        assert completed(cluster[2], "SELECT 'forgotten'")
    cluster[2].restart()

    assert page(cluster[2], "/queries")["completed_queries"] == []


def test_inflight_query_ids_come_one_a_line(cluster):
    with hs2(cluster[0]) as client:
        ids = {id_of(client.run(sql)[0]) for sql in ("SELECT 1", "SELECT 2")}

        assert set(get(cluster[0], "/inflight_query_ids").splitlines()) == ids


# -- the other pages -----------------------------------------------------------------------------


def test_sessions_are_shown_with_their_users_and_queries(cluster):
    with hs2(cluster[0]) as client:
        client.run("SELECT 1")
        shown = page(cluster[0], "/sessions")
        (row,) = shown["sessions"]

        assert [row["session_id"]] == cluster[0].sessions
        assert (row["user"], row["delegated_user"]) == ("etl", "")
        assert (row["inflight_queries"], row["total_queries"]) == (1, 1)
        assert (shown["num_sessions"], shown["num_active"]) == (1, 1)


def test_a_draining_coordinator_says_so_and_its_neighbours_know(cluster):
    cluster[1].drain()
    root = page(cluster[1], "/")
    quiescing = {
        row["webserver_url"]: row["is_quiescing"]
        for row in page(cluster[0], "/backends")["backends"]
    }

    assert root["is_quiescing"]
    assert root["shutdown_status"].startswith("shutdown grace period left: ")
    assert quiescing == {
        f"http://{coordinator.web_address}": coordinator.index == 1 for coordinator in cluster
    }
    assert get(cluster[1], "/healthz") == "OK", "as in Impala, which drains in good health"


def test_a_coordinator_that_is_well_says_what_it_is(cluster):
    root = page(cluster[0], "/")

    assert not root["is_quiescing"]
    assert "shutdown_status" not in root
    assert root["version"].startswith("impalad version 4.5")
    assert root["__common__"]["process-name"] == "impalad"


def test_a_dead_coordinator_is_no_backend(cluster):
    cluster[1].kill()
    urls = [row["webserver_url"] for row in page(cluster[0], "/backends")["backends"]]

    assert urls == [f"http://{cluster[index].web_address}" for index in (0, 2)]


def test_a_browser_gets_a_page(cluster):
    with hs2(cluster[0]) as client:
        client.run("SELECT '<b>'")
        text = get(cluster[0], "/queries")

    assert text.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;" in text


def test_there_is_no_other_page(cluster):
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        get(cluster[0], "/nowhere")
    caught.value.close()  # it is an answer as well, and open


# -- faults --------------------------------------------------------------------------------------


def test_a_mute_and_saturated_coordinator_still_shows_its_pages(cluster):
    cluster[0].mute()
    cluster[0].saturate()

    assert get(cluster[0], "/healthz") == "OK"
    assert inflight(cluster[0]) == []


def test_a_hung_coordinator_shows_nothing_until_it_is_resumed(cluster):
    cluster[0].hang()
    with pytest.raises(OSError, match="timed out"):
        get(cluster[0], "/healthz", timeout=0.3)
    cluster[0].resume()

    assert get(cluster[0], "/healthz") == "OK"


def test_a_dead_coordinator_refuses_and_shows_its_pages_again_at_the_same_address(cluster):
    cluster[0].kill()
    with pytest.raises(OSError, match="refused"):
        get(cluster[0], "/healthz")
    cluster[0].restart()

    assert get(cluster[0], "/healthz") == "OK"


def test_varz_says_on_which_ports_it_listens(cluster):
    for coordinator in cluster:
        flags = {flag["name"]: flag for flag in page(coordinator, "/varz")["flags"]}

        assert coordinator.address == f"{coordinator.host}:{flags['hs2_port']['current']}"
        assert coordinator.web_address == f"{coordinator.host}:{flags['webserver_port']['current']}"
        assert "21050" == flags["hs2_port"]["default"]
