"""What became of a write whose coordinator was lost: who is asked, and how far each is believed."""

import json
import pickle
import re
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from test_failover import World, lost

from impala_ha import Coordinator, Outcome, errors
from impala_ha.testing.fakes import state

INSERT = "insert into t values (1)"


@pytest.fixture
def world():
    return World()


@pytest.fixture
def page():
    """A coordinator's web server; `shown` is its page of queries."""
    shown = {"in_flight_queries": [], "completed_queries": [], "completed_log_size": 200}
    shown["profiles"] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/queries?json":
                body = shown.get("raw") or json.dumps(shown.get("instead", shown)).encode()
            else:
                body = shown["profiles"][self.path.rpartition("=")[2]].encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        shown["address"] = f"127.0.0.1:{server.server_port}"
        yield shown
        server.shutdown()
        thread.join()


def unknown(world, *, accepted=False, address=None):
    """An INSERT that was lost: after it was accepted, or before anybody answered."""
    cursor = world.connect().cursor()
    cursor.session.config = {"http_addr": address} if address else {}
    rpc = "GetOperationStatus" if accepted else "ExecuteStatement"
    world["a"].script[rpc] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(INSERT)
    world["a"].log.clear()
    return caught.value


def forget(world):
    world["a"].script["GetOperationStatus"] = deque(["Invalid or unknown query handle: 1:2."])


def no_tables(world):
    for host in "abc":
        text = "AnalysisException: Could not resolve table reference: 'sys.impala_query_log'"
        world[host].script["ExecuteStatement"] = deque([text] * 9)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("FINISHED_STATE", Outcome.DONE), ("ERROR_STATE", Outcome.FAILED)],
)
def test_the_operation_itself_knows_best(world, name, outcome):
    error = unknown(world, accepted=True)
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, name)])

    assert error.resolve() is outcome
    assert world["a"].count("ExecuteStatement") == 0


def test_a_statement_that_runs_is_waited_for(world):
    error = unknown(world, accepted=True)
    running = [lambda r: state(r, "RUNNING_STATE")] * 3
    world["a"].script["GetOperationStatus"] = deque([*running, None])

    assert error.resolve() is Outcome.DONE
    assert world.clock.slept[-3:] == [0.5] * 3


def test_but_not_for_ever(world):
    error = unknown(world, accepted=True)
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE")] * 99)

    assert error.resolve(timeout=5) is Outcome.RUNNING


def test_one_that_ran_and_then_vanished_ran_when_it_was_seen_last(world):
    error = unknown(world, accepted=True)
    gone = "Invalid or unknown query handle: 1:2."
    world["a"].script["GetOperationStatus"] = deque([lambda r: state(r, "RUNNING_STATE"), gone])
    no_tables(world)

    assert error.resolve() is Outcome.RUNNING


def test_nobody_knows(world):
    error = unknown(world)
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_no_time_no_answer(world):
    assert unknown(world).resolve(timeout=0) is Outcome.UNKNOWN


def test_out_of_a_pickle_nobody_can_be_asked(world):
    error = unknown(world, accepted=True)

    assert pickle.loads(pickle.dumps(error)).resolve() is Outcome.UNKNOWN


def test_a_coordinator_that_forgot_the_operation_is_no_witness(world):
    error = unknown(world, accepted=True)
    world["a"].script["GetOperationStatus"] = deque(["Invalid or unknown query handle: 1:2."])
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


# The page of queries.


def row(state, **more):
    return {"stmt": INSERT, "state": state, "query_id": "1:2", **more}


@pytest.mark.parametrize("kind", ["completed_queries", "in_flight_queries"])
@pytest.mark.parametrize("shown", [INSERT, INSERT[:12] + "..."])
def test_a_text_on_the_page_may_be_somebody_elses(world, page, kind, shown):
    """Another session may have run the same, an hour ago or at the same time."""
    error = unknown(world, address=page["address"])
    page[kind].append(row("FINISHED", stmt=shown))
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


def test_another_text_on_the_page_is_not_it(world, page):
    error = unknown(world, address=page["address"])
    page["completed_queries"] += [row("FINISHED", stmt="select 1"), row("FINISHED", stmt="se...")]

    assert error.resolve() is Outcome.NEVER_SEEN


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("FINISHED", Outcome.DONE),
        ("EXCEPTION", Outcome.FAILED),
        ("SOMETHING NEW", Outcome.UNKNOWN),
    ],
)
def test_an_id_on_the_page_is_the_statement(world, page, name, outcome):
    error = unknown(world, accepted=True, address=page["address"])
    forget(world)
    page["completed_queries"] += [row("EXCEPTION"), row(name, query_id=error.query_id)]
    no_tables(world)

    assert error.resolve() is outcome


def test_a_statement_that_is_not_there_is_kept_from_coming(world, page):
    error = unknown(world, address=page["address"])

    assert error.resolve() is Outcome.NEVER_SEEN
    assert world["a"].count("CloseSession") == 1


def test_one_that_came_between_two_looks_is_not_denied(world, page):
    error = unknown(world, address=page["address"])
    no_tables(world)

    def close(request):
        page["completed_queries"].append(row("EXCEPTION"))
        return world["a"]._CloseSession(request)

    world["a"].script["CloseSession"] = deque([close])

    assert error.resolve() is Outcome.UNKNOWN


def test_a_session_that_could_not_be_closed_may_still_run_it(world, page):
    error = unknown(world, address=page["address"])
    world["a"].script["CloseSession"] = deque([lost()])
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_a_coordinator_that_was_started_anew_has_seen_nothing(world, page):
    error = unknown(world, address=page["address"])
    world["a"].script["GetInfo"] = deque(["Invalid session id: 1:2"])
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


def test_a_full_page_may_have_lost_it(world, page):
    error = unknown(world, address=page["address"])
    page["completed_log_size"] = 0
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


@pytest.mark.parametrize("instead", ["no object", None])
def test_a_page_of_another_kind_is_none(world, page, instead):
    error = unknown(world, address=page["address"])
    page["instead"] = instead
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_a_page_of_a_login_is_none(world, page):
    error = unknown(world, address=page["address"])
    page["raw"] = b"<html>Who are you?</html>"
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_a_page_that_is_not_there_is_none(world):
    error = unknown(world, address="127.0.0.1:1")
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


# The mark.


def marked(world, address=None, kind="client_identifier"):
    """An INSERT that was marked before it was lost."""
    world.failover.statement_tag = kind
    cursor = world.connect().cursor()
    cursor.session.config = {"CLIENT_IDENTIFIER": ""} | ({"http_addr": address} if address else {})
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(INSERT)
    world["a"].log.clear()
    return caught.value


def profile(tag):
    return f"Sql Statement: {INSERT}\nQuery Options: CLIENT_IDENTIFIER={tag}"


def test_a_marked_statement_is_told_from_others_with_its_text(world, page):
    error = marked(world, page["address"])
    mine, others = row("FINISHED", query_id="3:4"), row("EXCEPTION")
    page["completed_queries"] += [others, mine]
    page["profiles"] = {"1:2": profile("somebody"), "3:4": profile(error.statement_tag)}

    assert error.resolve() is Outcome.DONE
    assert error.statement_tag in str(error)


def test_where_all_with_its_text_are_others_it_was_never_seen(world, page):
    error = marked(world, page["address"])
    page["completed_queries"].append(row("FINISHED"))
    page["profiles"] = {"1:2": profile("somebody")}

    assert error.resolve() is Outcome.NEVER_SEEN


@pytest.mark.parametrize("profiles", [{}, {"1:2": "Query id 1:2 not found."}])
def test_a_text_without_its_profile_may_be_it(world, page, profiles):
    error = marked(world, page["address"])
    page["completed_queries"].append(row("FINISHED"))
    page["profiles"] = profiles
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_the_log_is_asked_for_the_mark(world):
    error = marked(world)
    world["a"].down = True
    logged(world, "b", ["FINISHED"])

    assert error.resolve() is Outcome.DONE
    assert f"query_opts_config LIKE '%{error.statement_tag}%'" in world["b"].statements()[0]


def test_a_page_full_of_the_same_text_takes_no_longer_than_there_is_time(world, page):
    class Slow(dict):
        asked = 0

        def __getitem__(self, _):
            self.asked += 1
            world.clock.time += 1
            return profile("somebody")

    error = marked(world, page["address"])
    page["completed_queries"] += [row("FINISHED", query_id=f"1:{n}") for n in range(100)]
    page["profiles"] = Slow()

    assert error.resolve(timeout=5) is Outcome.UNKNOWN
    assert page["profiles"].asked <= 5


# The tables.


def logged(world, host, states):
    world[host].rows = states


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (["FINISHED"], Outcome.DONE),
        (["EXCEPTION"], Outcome.FAILED),
        ([], Outcome.UNKNOWN),
        (["?"], Outcome.UNKNOWN),
    ],
)
def test_any_coordinator_knows_what_was_logged(world, states, outcome):
    error = unknown(world)
    world["a"].down = True
    logged(world, "b", states)

    assert error.resolve() is outcome
    (asked,) = world["b"].statements()
    assert f"session_id = '{error.session_id}' AND `sql` = '{INSERT}'" in asked
    assert world["b"].sessions == {}


def test_what_ran_before_with_the_same_text_is_not_it(world):
    cursor = world.connect().cursor()
    cursor.execute(INSERT)
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(INSERT)
    world["a"].down = True
    logged(world, "b", ["FINISHED"])

    assert caught.value.resolve() is Outcome.DONE
    assert re.search(r"query_id NOT IN \('[0-9a-f]{16}:[0-9a-f]{16}'\)", world["b"].statements()[0])


def test_two_rows_are_not_told_apart(world):
    error = unknown(world)
    world["a"].down = True
    world["b"].script["FetchResults"] = deque([two_rows])

    assert error.resolve() is Outcome.UNKNOWN


def two_rows(_):
    column = hs2.TColumn(stringVal=hs2.TStringColumn(values=[b"FINISHED"] * 2, nulls=b"\0"))
    rows = hs2.TRowSet(startRowOffset=0, rows=[], columns=[column])
    return hs2.TFetchResultsResp(status=hs2.TStatus(statusCode=0), hasMoreRows=False, results=rows)


def test_with_an_id_the_log_is_asked_for_that(world):
    error = unknown(world, accepted=True)
    world["a"].down = True
    logged(world, "b", ["FINISHED"])

    assert error.resolve() is Outcome.DONE
    assert f"query_id = '{error.query_id}'" in world["b"].statements()[0]


def test_who_does_not_answer_is_not_waited_for(world):
    error = unknown(world)
    world["a"].down = world["b"].down = True
    logged(world, "c", ["FINISHED"])

    assert error.resolve() is Outcome.DONE
    assert error.coordinator == Coordinator("a")


def test_with_everyone_down_nobody_knows(world):
    error = unknown(world)
    for host in "abc":
        world[host].down = True

    assert error.resolve() is Outcome.UNKNOWN
