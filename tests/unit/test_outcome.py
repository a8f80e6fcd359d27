"""What became of a write whose coordinator was lost: who is asked, and how far each is believed."""

import json
import pickle
import re
import threading
from collections import deque
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from test_failover import World, lost

from impala_ha import Coordinator, Outcome, State, errors
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Attempt
from impala_ha.dbapi.cursor_session import printed_id
from impala_ha.failover.outcome import resolve
from impala_ha.failover.outcome_sources import Until, handle
from impala_ha.testing.fakes import state

INSERT = "insert into t values (1)"


@pytest.fixture
def world():
    return World()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        shown = self.server.shown
        name, _, query = self.path.removesuffix("?json").partition("?")
        page = shown.get(name) if not query else shown["profiles"].get(query.partition("=")[2])
        page = page() if callable(page) else page
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        body = page.encode() if isinstance(page, str) else body
        self.send_response(shown["status"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    """A coordinator's web server; `queries` is its page of queries."""
    with ThreadingHTTPServer(("127.13.0.1", 0), Handler) as server:
        queries = {"in_flight_queries": [], "completed_queries": [], "completed_log_size": 200}
        server.shown = {
            "status": 200,
            "/": {"process_start_time": "2026-11-29 08:00:00"},
            "/sessions": {"sessions": []},
            "/queries": queries,
            "profiles": {},
            "address": f"127.13.0.1:{server.server_port}",
            **queries,
        }
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.shown
        server.shutdown()
        thread.join()


def opened(page, cursor):
    """The page knows the session of *cursor*."""
    session = printed_id(cursor.session.handle.sessionId)
    page["/sessions"]["sessions"].append({"session_id": session, "user": "etl"})


def unknown(world, *, accepted=False, page=None, before=()):
    """An INSERT that was lost: after it was accepted, or before anybody answered."""
    cursor = world.connect().cursor()
    for text in before:
        cursor.execute(text)
    cursor.session.config = {"http_addr": page["address"]} if page else {}
    if page:
        opened(page, cursor)
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


def test_a_coordinator_that_forgot_the_operation_is_no_source(world):
    error = unknown(world, accepted=True)
    world["a"].script["GetOperationStatus"] = deque(["Invalid or unknown query handle: 1:2."])
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


# The page of queries.


def row(state, **more):
    return {
        "stmt": INSERT,
        "state": state,
        "query_id": "1:2",
        "effective_user": "etl",
        **more,
    }


def profile(session, tag="", text=INSERT):
    """As Impala writes it: options come once the statement was planned."""
    options = f"\n    Query Options (set by configuration): CLIENT_IDENTIFIER={tag}" if tag else ""
    return (
        f"Query (id=1:2):\n  Summary:\n    Session ID: {session}\n    Start Time: now\n"
        f"    Sql Statement: {text}{options}\n"
    )


OTHERS = profile("f00:f00")


@pytest.mark.parametrize("kind", ["completed_queries", "in_flight_queries"])
@pytest.mark.parametrize("shown", [INSERT, INSERT[:12] + "...", "insert into t values (#)", ""])
@pytest.mark.parametrize(
    "found", [None, "Could not obtain runtime profile: not ready", "", b"\xff"]
)
def test_what_has_no_profile_may_be_it_whatever_its_text(world, page, kind, shown, found):
    """The administrator's rules redact statements on the page."""
    error = unknown(world, page=page)
    page[kind].append(row("FINISHED", stmt=shown))
    page["profiles"]["1:2"] = found
    no_tables(world)

    assert error.resolve(5) is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


@pytest.mark.parametrize("state", ["FINISHED", "RUNNING"])
@pytest.mark.parametrize("kind", ["completed_queries", "in_flight_queries"])
@pytest.mark.parametrize("shown", ["insert into t values (#)", "select 1"])
def test_another_text_in_our_session_may_be_redacted(world, page, kind, state, shown):
    error = unknown(world, page=page)
    page[kind].append(row(state, stmt=shown))
    page["profiles"]["1:2"] = profile(error.session_id, text=shown)
    no_tables(world)

    assert error.resolve(2) is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


@pytest.mark.parametrize("shown", [INSERT, "select 1", ""])
def test_what_ran_in_another_session_is_not_it(world, page, shown):
    error = unknown(world, page=page)
    page["completed_queries"].append(row("FINISHED", stmt=shown))
    page["profiles"]["1:2"] = OTHERS

    assert error.resolve() is Outcome.NEVER_SEEN


def test_what_another_user_ran_is_not_it(world, page):
    error = unknown(world, page=page)
    page["completed_queries"].append(row("FINISHED", effective_user="ann"))

    assert error.resolve() is Outcome.NEVER_SEEN


def test_who_somebody_speaks_for_counts(world, page):
    error = unknown(world, page=page)
    page["/sessions"]["sessions"][0] |= {"user": "hue", "delegated_user": "etl"}
    page["completed_queries"].append(row("FINISHED"))
    page["profiles"]["1:2"] = profile(error.session_id)

    assert error.resolve() is Outcome.DONE


def test_a_statement_cannot_pretend_to_be_of_another_session(world, page):
    error = unknown(world, page=page)
    text = f"{INSERT} /*\n    Session ID: {error.session_id}\n*/"
    page["completed_queries"].append(row("FINISHED"))
    page["profiles"]["1:2"] = profile("f00:f00", text=text)

    assert error.resolve() is Outcome.NEVER_SEEN


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("FINISHED", Outcome.DONE),
        ("EXCEPTION", Outcome.FAILED),
        ("RUNNING", Outcome.RUNNING),
        ("SOMETHING NEW", Outcome.UNKNOWN),
    ],
)
@pytest.mark.parametrize("kind", ["completed_queries", "in_flight_queries"])
def test_the_last_text_of_our_session_is_it(world, page, kind, name, outcome):
    """Without a mark too: a session's earlier statements are known by their ids."""
    error = unknown(world, page=page)
    page[kind] += [row("EXCEPTION", query_id="5:6"), row(name)]
    page["profiles"] = {"5:6": OTHERS, "1:2": profile(error.session_id)}
    no_tables(world)

    assert error.resolve(2) is outcome
    assert world["a"].count("CloseSession") == 0, "what runs is left alone"


def test_what_ran_before_in_our_session_is_not_it(world, page):
    error = unknown(world, page=page, before=[INSERT])
    (ref,) = refs(error)
    (before,) = ref.known
    page["completed_queries"].append(row("FINISHED", query_id=before))
    page["profiles"][before] = profile(error.session_id)

    assert error.resolve() is Outcome.NEVER_SEEN


def refs(error):
    names = error.resolver.__code__.co_freevars
    return error.resolver.__closure__[names.index("refs")].cell_contents


def test_one_that_was_refused_before_may_be_what_is_seen(world, page):
    """It has no id that the client knows, and perhaps the same text."""
    world["a"].script["ExecuteStatement"] = deque(["AnalysisException: no such table"])
    cursor = world.connect().cursor()
    cursor.session.config = {"http_addr": page["address"]}
    opened(page, cursor)
    with pytest.raises(errors.Error):
        cursor.execute(INSERT)
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(INSERT)
    page["completed_queries"].append(row("EXCEPTION"))
    page["profiles"]["1:2"] = profile(caught.value.session_id)
    no_tables(world)

    assert caught.value.resolve() is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("FINISHED", Outcome.DONE),
        ("EXCEPTION", Outcome.FAILED),
        ("SOMETHING NEW", Outcome.UNKNOWN),
    ],
)
def test_an_id_on_the_page_is_the_statement(world, page, name, outcome):
    error = unknown(world, accepted=True, page=page)
    forget(world)
    page["completed_queries"] += [row("EXCEPTION"), row(name, query_id=error.query_id)]
    no_tables(world)

    assert error.resolve() is outcome


def test_one_that_has_an_id_was_seen(world, page):
    error = unknown(world, accepted=True, page=page)
    forget(world)
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_a_statement_that_is_not_there_is_kept_from_coming(world, page):
    error = unknown(world, page=page)

    assert error.resolve() is Outcome.NEVER_SEEN
    assert world["a"].count("CloseSession") == 1


def closing(world, change):
    def close(request):
        change()
        return world["a"]._CloseSession(request)

    world["a"].script["CloseSession"] = deque([close])


def test_one_that_came_between_two_looks_is_not_denied(world, page):
    error = unknown(world, page=page)
    no_tables(world)
    closing(world, lambda: page["completed_queries"].append(row("EXCEPTION")))

    assert error.resolve() is Outcome.UNKNOWN


def test_a_process_that_began_between_two_looks_proves_nothing(world, page):
    error = unknown(world, page=page)
    no_tables(world)
    closing(world, lambda: page.update({"/": {"process_start_time": "2026-11-29 09:00:00"}}))

    assert error.resolve() is Outcome.UNKNOWN


def test_a_session_that_could_not_be_closed_may_still_run_it(world, page):
    error = unknown(world, page=page)
    world["a"].script["CloseSession"] = deque([lost()])
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_a_page_that_does_not_know_our_session_has_seen_nothing(world, page):
    """The coordinator was started anew, or the address leads to another one."""
    error = unknown(world, page=page)
    page["/sessions"]["sessions"] = [{"session_id": "1:2", "user": "etl"}]
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


@pytest.mark.parametrize("missing", ["/", "/sessions", "/queries"])
@pytest.mark.parametrize("instead", [b"<html>Who are you?</html>", None, [], {}, b"[" * 100_000])
def test_a_page_of_another_kind_is_none(world, page, missing, instead):
    error = unknown(world, page=page)
    page[missing] = instead
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"completed_queries": None},
        {"completed_queries": ["x"]},
        {"in_flight_queries": {}},
        {"completed_queries": [{}]},
        {"completed_queries": [{"query_id": "1:2\r\nX: y", "effective_user": "etl"}]},
    ],
)
def test_a_page_with_odd_rows_denies_nothing(world, page, odd):
    error = unknown(world, page=page)
    page["/queries"].update(odd)
    no_tables(world)

    assert error.resolve(5) is not Outcome.NEVER_SEEN or odd == {"completed_queries": [{}]}


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500])
def test_a_page_behind_a_login_tells_nothing(world, page, status):
    error = unknown(world, page=page)
    page["status"] = status
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN
    assert world["a"].count("CloseSession") == 0


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", ":", "a:b", "a:99999999", "\n:80"])
def test_a_page_that_is_not_there_is_none(world, address):
    error = unknown(world, page={"address": address, "/sessions": {"sessions": []}})
    no_tables(world)

    assert error.resolve(5) is Outcome.UNKNOWN


# What the log of the page has dropped.


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        ({"completed_log_size": 0}, Outcome.UNKNOWN),
        ({"completed_log_size": 1}, Outcome.UNKNOWN),
        ({"completed_log_size": 2}, Outcome.NEVER_SEEN),
        ({"completed_log_size": -1}, Outcome.NEVER_SEEN),
        ({"completed_log_size": None}, Outcome.UNKNOWN),
        ({"completed_log_size": "many"}, Outcome.UNKNOWN),
        ({"completed_log_size_in_bytes": 0}, Outcome.UNKNOWN),
        ({"completed_log_size_in_bytes": -1}, Outcome.NEVER_SEEN),
        ({"completed_log_size_in_bytes": 1000}, Outcome.UNKNOWN),
        ({"completed_log_size_in_bytes": 2**20}, Outcome.UNKNOWN),  # a large one empties it
        ({"completed_log_size_in_bytes": 2**31}, Outcome.NEVER_SEEN),
        ({"completed_log_size_in_bytes": None}, Outcome.UNKNOWN),
    ],
)
def test_a_page_that_may_have_dropped_it_denies_nothing(world, page, limits, outcome):
    error = unknown(world, page=page)
    page["completed_queries"].append(row("FINISHED", effective_user="ann"))
    page["/queries"].update(limits)
    page["/jsonmetrics"] = {"impala-server.query-log-est-total-bytes": 600}
    no_tables(world)

    assert error.resolve() is outcome


def test_a_log_that_is_nearly_full_may_have_dropped_it(world, page):
    error = unknown(world, page=page)
    page["/queries"]["completed_log_size_in_bytes"] = 2**31
    page["/jsonmetrics"] = {"impala-server.query-log-est-total-bytes": 2**30}
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


def test_who_does_not_tell_how_full_the_log_is_denies_nothing(world, page):
    error = unknown(world, page=page)
    page["/queries"]["completed_log_size_in_bytes"] = 2**31
    no_tables(world)

    assert error.resolve() is Outcome.UNKNOWN


# The mark.


def marked(world, page=None, kind="client_identifier", text=INSERT):
    """A write that was marked before it was lost."""
    world.failover.options = replace(world.failover.options, statement_tag=kind)
    cursor = world.connect().cursor()
    told = {"http_addr": page["address"]} if page else {}
    cursor.session.config = {"CLIENT_IDENTIFIER": "", **told}
    if page:
        opened(page, cursor)
    world["a"].script["ExecuteStatement"] = deque([lost()])
    with pytest.raises(errors.OutcomeUnknown) as caught:
        cursor.execute(text)
    world["a"].log.clear()
    return caught.value


def test_a_marked_statement_is_found_though_its_text_is_redacted(world, page):
    error = marked(world, page)
    redacted = "insert into t values (#)"
    page["completed_queries"] += [row("EXCEPTION"), row("FINISHED", stmt=redacted, query_id="3:4")]
    mine = profile(error.session_id, error.statement_tag, redacted)
    page["profiles"] = {"1:2": OTHERS, "3:4": mine}

    assert error.resolve() is Outcome.DONE
    assert error.statement_tag in str(error)


def test_a_part_of_an_earlier_statement_is_not_it(world, page):
    """COMPUTE STATS runs statements of its own, with its options, in its session."""
    error = marked(world, page)
    page["completed_queries"].append(row("FINISHED", stmt="SELECT COUNT(*) FROM t"))
    page["profiles"]["1:2"] = profile(error.session_id, "impala-ha-0123456789abcdef")

    assert error.resolve() is Outcome.NEVER_SEEN


def test_one_that_was_not_planned_shows_no_mark_and_is_it(world, page):
    error = marked(world, page)
    page["completed_queries"].append(row("EXCEPTION"))
    page["profiles"]["1:2"] = profile(error.session_id)

    assert error.resolve() is Outcome.FAILED


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (["FINISHED", "FINISHED"], Outcome.DONE),
        (["RUNNING", "FINISHED"], Outcome.RUNNING),
        (["EXCEPTION", "FINISHED"], Outcome.UNKNOWN),
    ],
)
def test_several_with_our_mark_must_agree(world, page, states, outcome):
    error = marked(world, page)
    for number, name in enumerate(states):
        page["completed_queries"].append(row(name, query_id=f"1:{number}"))
        page["profiles"][f"1:{number}"] = profile(error.session_id, error.statement_tag)
    no_tables(world)

    assert error.resolve(2) is outcome


def test_what_is_being_planned_is_looked_at_again(world, page):
    """Impala shows no profile before the statement was planned."""
    error = marked(world, page)
    mine = profile(error.session_id, error.statement_tag)
    page["in_flight_queries"].append(row("CREATED"))
    looks = iter(["Could not obtain runtime profile: Query plan is not ready.", mine])

    def planned():
        found = next(looks)
        if found == mine:
            page["in_flight_queries"][0]["state"] = "FINISHED"
        return found

    page["profiles"]["1:2"] = planned
    no_tables(world)

    assert error.resolve() in (Outcome.DONE, Outcome.RUNNING)
    assert world["a"].count("CloseSession") == 0


def test_the_log_is_asked_for_the_mark(world):
    error = marked(world)
    world["a"].down = True
    logged(world, "b", ["FINISHED"])

    assert error.resolve() is Outcome.DONE
    assert f"query_opts_config LIKE '%{error.statement_tag}%'" in world["b"].statements()[0]


@pytest.mark.parametrize(
    "text",
    [
        "/* nightly */ LOAD DATA INPATH '/x' INTO TABLE t",
        "load data inpath '/x' into table t",
        "-- once\nalter table t convert to iceberg",
        "(?) what is this",
    ],
)
@pytest.mark.parametrize("kind", ["client_identifier", "comment"])
def test_a_part_of_a_statement_is_not_all_of_it_in_the_log(world, text, kind):
    """
    The parts have all its options, its mark too, and may be logged where the whole never is:
    its coordinator died.
    """
    error = marked(world, kind=kind, text=text)
    world["a"].down = True
    logged(world, "b", ["FINISHED"])
    error.resolve()

    (asked,) = world["b"].statements()
    mark = f"/* {error.statement_tag} */ " if kind == "comment" else ""
    sent = (mark + text).replace("'", "\\'")
    assert asked.count(f" AND `sql` = '{sent}'") == 2


@pytest.mark.parametrize(
    "text", [INSERT, "/* a */ -- b\n with x as (select 1) insert into t select * from x"]
)
def test_what_has_no_parts_is_found_in_the_log_by_its_mark_alone(world, text):
    """The log shows redacted texts, too."""
    error = marked(world, text=text)
    world["a"].down = True
    logged(world, "b", ["FINISHED"])

    assert error.resolve() is Outcome.DONE
    assert "`sql` =" not in world["b"].statements()[0]


def test_a_page_full_of_the_same_text_takes_no_longer_than_there_is_time(world, page):
    error = marked(world, page)
    asked = []

    def slow():
        asked.append(1)
        world.clock.time += 1
        return OTHERS

    page["completed_queries"] += [row("FINISHED", query_id=f"1:{n}") for n in range(100)]
    page["profiles"] = {f"1:{n}": slow for n in range(100)}

    assert error.resolve(timeout=5) is Outcome.UNKNOWN
    assert len(asked) <= 5


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


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ([b"FINISHED", b"FINISHED"], Outcome.DONE),
        ([b"FINISHED", b"EXCEPTION"], Outcome.UNKNOWN),
    ],
)
def test_two_rows_must_agree(world, states, outcome):
    """What moves from one table to the other may be seen in both."""
    error = unknown(world)
    world["a"].down = True
    world["b"].script["FetchResults"] = deque([lambda _: two_rows(states)])

    assert error.resolve() is outcome


def two_rows(states):
    column = hs2.TColumn(stringVal=hs2.TStringColumn(values=states, nulls=b"\0"))
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


# Several tries, and who is asked.


def test_a_coordinator_is_neither_picked_nor_put_on_trial(world):
    """One whose time of ejection is over is tried by a call, not by resolve()."""
    error = unknown(world)
    world["a"].down = world["b"].down = world["c"].down = True
    world.clock.time += 1000
    before = world.cluster.snapshot()

    assert error.resolve(20) is Outcome.UNKNOWN
    assert world.cluster.snapshot() == before
    assert world.state("a") is State.HALF_OPEN
    assert world.cluster.pick() == Coordinator("a"), "the next call may still try it"


def test_the_healthy_are_asked_first_and_the_lost_one_last(world):
    error = unknown(world)
    failed = Attempt("execute", 1, Coordinator("b"), 0.1, Fault.UNREACHABLE, Phase.CONNECT)
    world.cluster.report(failed)
    logged(world, "c", ["FINISHED"])

    assert error.resolve() is Outcome.DONE
    assert world["a"].statements() == world["b"].statements() == []


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (["FINISHED_STATE", "RUNNING_STATE"], Outcome.DONE),
        (["ERROR_STATE", "FINISHED_STATE"], Outcome.DONE),
        (["ERROR_STATE", "RUNNING_STATE"], Outcome.RUNNING),
        (["ERROR_STATE", "ERROR_STATE"], Outcome.FAILED),
        (["ERROR_STATE", "CLOSED_STATE"], Outcome.UNKNOWN),
        (["RUNNING_STATE", "CLOSED_STATE"], Outcome.RUNNING),
    ],
)
def test_several_tries_are_one_statement(world, states, outcome):
    (ref,) = refs(unknown(world, accepted=True))
    tries = []
    for host, name in zip("ab", states, strict=True):
        tries.append(replace(ref, coordinator=Coordinator(host)))
        answer = lambda r, name=name: state(r, name)  # noqa: E731
        world[host].script["GetOperationStatus"] = deque([answer] * 99)
    no_tables(world)

    assert resolve(tuple(tries), world.cluster, world.driver, 3.0) is outcome


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_without_time_nobody_is_asked(world, timeout):
    error = unknown(world, accepted=True)

    assert error.resolve(timeout) is Outcome.UNKNOWN
    assert world["a"].log == []


def test_any_length_of_time_will_do(world):
    assert unknown(world, accepted=True).resolve(float("inf")) is Outcome.DONE


@pytest.mark.parametrize("kind", [RuntimeError, TimeoutError, OSError, KeyError])
def test_a_function_of_the_caller_that_raises_is_no_source(world, monkeypatch, kind):
    """The one that gives the password, for example."""
    error = unknown(world, accepted=True)

    def no_password(*_):
        raise kind("the vault is sealed")

    monkeypatch.setattr(world.driver, "connect", no_password)
    monkeypatch.setattr(world.cluster, "snapshot", no_password)

    assert error.resolve() is Outcome.UNKNOWN


def test_a_function_of_the_caller_that_hangs_is_not_waited_for(world, monkeypatch):
    error = unknown(world, accepted=True)
    over = threading.Event()
    monkeypatch.setattr(world.driver, "connect", lambda *_: over.wait())

    assert error.resolve(0.2) is Outcome.UNKNOWN
    over.set()


def test_without_threads_it_is_asked_all_the_same(world, monkeypatch):
    error = unknown(world, accepted=True)

    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)

    assert error.resolve() is Outcome.DONE


def test_a_coordinator_that_hangs_leaves_time_for_the_others(world, monkeypatch):
    error = unknown(world, accepted=True)
    logged(world, "c", ["FINISHED"])
    connect = world.driver.connect

    def hangs(coordinator, user, limit):
        if coordinator.host in "ab":
            world.clock.time += limit
            raise errors.OperationalError("timed out")
        return connect(coordinator, user, limit)

    monkeypatch.setattr(world.driver, "connect", hangs)

    assert error.resolve(30) is Outcome.DONE


def test_the_tables_are_not_waited_for_longer_than_there_is_time(world):
    """They are polled as any statement is; no pause goes beyond the end."""
    error = unknown(world)
    world["a"].down = world["c"].down = True
    running = [lambda r: state(r, "RUNNING_STATE")] * 9999
    world["b"].script["GetOperationStatus"] = deque(running)
    end = world.clock.now() + 5

    assert error.resolve(5) is Outcome.UNKNOWN
    assert world.clock.now() <= end


def test_when_the_time_is_over_no_session_is_closed_and_nobody_is_asked(world, page):
    error = unknown(world, page=page)
    queries = page["/queries"]

    def slow():
        world.clock.time += 100
        return queries

    page["/queries"] = slow

    assert error.resolve(30) is Outcome.UNKNOWN
    assert world["a"].log == world["b"].log == []


def test_a_source_whose_time_is_over_is_not_asked(world):
    (ref,) = refs(unknown(world, accepted=True))
    over = Until(world.clock, world.clock.now())

    assert handle(ref, world.driver, over) is Outcome.UNKNOWN
    assert world["a"].log == []
