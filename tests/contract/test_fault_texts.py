"""
Every text of Impala, in every place, whole and quoted, against coordinators that count executions.

What is promised is told here from `impala_texts` alone: a write runs at most once, its caller is
told the truth, the user's own error arrives untouched after one attempt, nobody is ejected for what
a statement can make Impala say, and no coordinator is asked in a hot loop.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest
from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as hs2
from impala.error import HiveServer2Error, OperationalError

from impala_ha import Cluster, Coordinator, Retry, State, errors
from impala_ha.dbapi.cursor import Cursor
from impala_ha.failover.attempts import Call
from impala_ha.sql.session_state import Session
from impala_ha.testing.fakes import FakeClock, FakeCoordinator, FakeDriver, failover, state
from impala_texts import (
    ERROR,
    FETCH,
    FINAL,
    MOVE,
    OPEN,
    PLACES,
    ROWS,
    STATUS,
    SUBMIT,
    TEXTS,
    UNKNOWN,
    Place,
    whole,
)

OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
KINDS = {
    "read": ("select 1", {}),
    "harmless": ("insert overwrite t values (1)", {}),
    "allowed": ("insert into t values (2)", {"idempotent": True}),
    "write": ("insert into t values (3)", {}),
}
DDL = {
    "harmless": ("drop table if exists t", {}),
    "allowed": ("create table t (i int)", {"idempotent": True}),
    "write": ("create table t (i int)", {}),
}
#: Forms in which a text is no whole one: a statement, or a function in it, can have Impala say it.
QUOTED = {
    "syntax": (
        "ParseException: Syntax error in line 1:\nselec '{}'\n^\nEncountered: IDENTIFIER\n"
        "Expected: ALTER, COMMENT, SELECT\n\nCAUSED BY: Exception: Syntax error\n"
    ),
    "not a query": "ParseException: Not a valid query: x '{}'\n",
    "analysis": "AnalysisException: Could not resolve column/field reference: '{}'\n",
    "authorization": (
        "AuthorizationException: User 'etl' does not have privileges to execute 'SELECT' on: {}\n"
    ),
    "function": "UDF ERROR: {}",
    "prefixed function": "Query 8a4b1c09d2e3f001:9d2e3f0000000000 failed:\nUDF ERROR: {}\n",
    "detail": "Memory limit exceeded: Could not allocate 8.00 MB\n{}",
    "cast": "Could not convert the text to a date. Invalid string val: '{}'\n",
    "blank": " {}",
    "line": "\n{}",
}
#: What is told of who may log in has a class of ours.
LOGIN = {"8o delegate", "8o empty name", "8o doAs twice", "8o filter", "4 another user's session"}
DONE, LOST, OWN, OTHER = "done", "outcome unknown", "the server's own error", "other"
TRIES = 60


@pytest.fixture(autouse=True)
def _in_silence():
    """Thousands of attempts are logged, and nobody reads it."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Counting(FakeCoordinator):
    """
    A coordinator that counts what it runs, and says one text in one place.

    Attributes:
        world: What all coordinators share: the text, its place, how often, whether it ran.
    """

    def __init__(self, name, world):
        super().__init__(name)
        self.world = world
        self.failing = {}

    def _OpenSession(self, request):  # noqa: N802
        said = self._say(OPEN)
        return SimpleNamespace(status=said) if said else super()._OpenSession(request)

    def _ExecuteStatement(self, request):  # noqa: N802
        world = self.world
        if request.statement != world.sql:
            return super()._ExecuteStatement(request)
        said = self._say(SUBMIT)
        if said is not None:
            world.runs += world.ran
            return SimpleNamespace(status=said)
        answer = super()._ExecuteStatement(request)
        if world.place == FETCH:
            answer.operationHandle.hasResultSet = True
        if world.place in {ERROR, STATUS, FETCH} and world.take(self.name):
            self.failing[answer.operationHandle.operationId.guid] = world.place
            world.runs += world.ran
        else:
            world.runs += 1
        return answer

    def _GetOperationStatus(self, request):  # noqa: N802
        failing = self._failing(request)
        if failing == ERROR:
            return state(request, "ERROR_STATE", self.world.text)
        if failing == STATUS:
            return SimpleNamespace(status=_refused(self.world.text))
        return super()._GetOperationStatus(request)

    def _FetchResults(self, request):  # noqa: N802
        if self._failing(request) == FETCH:
            return SimpleNamespace(status=_refused(self.world.text))
        return super()._FetchResults(request)

    def _GetRuntimeProfile(self, request):  # noqa: N802
        failed = self._failing(request) is not None
        result = "Rejected" if failed and not self.world.ran else "Admitted immediately"
        profile = f"Query (id=1:2):\n  Summary:\n    Admission result: {result}\n"
        return impala.TGetRuntimeProfileResp(status=OK, profile=profile)

    def _failing(self, request):
        return self.failing.get(request.operationHandle.operationId.guid)

    def _say(self, place):
        told = self.world.place == place and self.world.take(self.name)
        return _refused(self.world.text) if told else None


def _refused(text):
    return hs2.TStatus(statusCode=hs2.TStatusCode.ERROR_STATUS, errorMessage=text, sqlState="HY000")


class World:
    """
    Two coordinators, one of which, or both, say a text; and a client.

    Attributes:
        said: How often the text was said, by coordinator, and when.
        runs: How often the statement ran.
        told: What its caller was told.
        error: What was raised.
        rows: Its result.
    """

    def __init__(self, text, place, sql, *, ran=False, times=1, deadline=60.0, more=None):
        self.text, self.place, self.sql, self.ran, self.times = text, place, sql, ran, times
        self.said = defaultdict(list)
        self.runs, self.told, self.error, self.rows = 0, DONE, None, None
        self.clock, self.driver = FakeClock(), FakeDriver()
        for host in "ab":
            self.driver.hosts[host] = Counting(host, self)
        self.cluster = Cluster(
            [Coordinator(host) for host in "ab"],
            policy="ordered",
            clock=self.clock,
            rng=random.Random(7),
        )
        self.failover = failover(self.cluster, self.driver, Retry(deadline=deadline))
        self._go(more or {})

    def take(self, host):
        if sum(map(len, self.said.values())) >= self.times:
            return False
        self.said[host].append(self.clock.time)
        return True

    def _go(self, more):
        try:
            self.failover.run(Call("connect", proof=True), lambda _: None)
            cursor = Cursor(self.failover, Session("etl", {}))
            cursor.execute(self.sql, **more)
            if cursor.has_result_set:
                self.rows = cursor.fetchall()
        except Exception as error:  # noqa: BLE001 - all of them are looked at
            self.error, self.told = error, self._kind(error)

    def _kind(self, error):
        if isinstance(error, errors.OutcomeUnknown):
            return LOST
        plain = OperationalError if self.place == ERROR else HiveServer2Error
        return OWN if type(error) is plain and str(error) == self.text else OTHER

    @property
    def sent(self):
        """How often the statement was given to a coordinator."""
        return sum(self.driver[host].statements().count(self.sql) for host in "ab")

    @property
    def ejected(self):
        """Who is not well."""
        snapshot = self.cluster.snapshot()
        return [c.coordinator.host for c in snapshot if c.state is not State.HEALTHY]

    def __str__(self):
        return (
            f"{self.sql!r}, {self.text!r} in {self.place}, {'ran' if self.ran else 'did not run'}: "
            f"{self.told} ({type(self.error).__name__}: {self.error}), sent {self.sent} times, ran "
            f"{self.runs} times, ejected: {self.ejected}"
        )


def cases(place, kinds=KINDS):
    """Each kind of statement, with and without an effect before the text is said."""
    for kind, (sql, more) in kinds.items():
        if place == FETCH and kind != "read":
            effects = (True,)  # it has ended
        else:
            effects = (False, True) if place != OPEN and kind != "read" else (False,)
        for ran in effects:
            yield kind, sql, more, ran


def check_always(kind, world):
    """What is true whatever was said, and wherever."""
    reads = kind == "read"
    if kind == "write":
        assert world.runs <= 1, f"ran twice: {world}"
    if world.told == DONE and not reads:
        assert world.runs >= 1, f"told done: {world}"
    if world.told == DONE and kind == "write":
        assert world.runs == 1, f"told done: {world}"
    if world.told == OTHER and not reads:
        assert world.runs == 0 or world.place == FETCH, f"told too little: {world}"
    if world.told in {OWN, OTHER} and world.sent > 1 and world.place != OPEN:
        assert reads or world.runs == 0, f"told of the last attempt only: {world}"
    assert world.runs <= 3, world


def untouched(world, kind):
    """The server's own error after one attempt, and nobody is the worse for it."""
    if world.place == FETCH and kind != "read":
        return world.runs == world.sent == 1 and not world.ejected  # it had ended well
    once = world.sent == (world.place != OPEN) and len(world.said) == 1
    return world.told == OWN and once and not world.ejected


def may_be_told(place, kind, meant, *, ran):
    """What may be told where a whole text comes in its place."""
    if place == FETCH and kind != "read":
        return {DONE, OWN, OTHER}  # of its result; the statement itself had ended
    if meant.action == FINAL:
        return {OWN}
    if kind == "read" or place == OPEN:
        return {DONE}
    if meant.not_run and not ran:
        return {DONE}
    if kind == "write":
        return {LOST}
    return {DONE} if kind == "allowed" else {DONE, LOST}


def check_whole(text, place, meant, world, kind):
    check_always(kind, world)
    allowed = may_be_told(place, kind, meant, ran=world.ran)
    own = text.row in LOGIN and isinstance(world.error, errors.AuthenticationFailed)
    assert world.told in allowed or (own and OWN in allowed), f"not one of {allowed}: {world}"
    if meant.action == FINAL:
        assert own or untouched(world, kind), f"touched: {world}"
    if place not in {OPEN, SUBMIT} or meant.action != MOVE:
        assert not world.ejected, f"ejected: {world}"
    if world.told == DONE and kind == "read":
        assert world.rows == [("one",), ("two",)], world


EACH_TEXT = pytest.mark.parametrize("text", TEXTS, ids=[text.key for text in TEXTS])


@EACH_TEXT
def test_a_whole_text_in_its_place_means_what_it_says(text):
    for place, meant in text.at.items():
        for prefixes, said in whole(text.text):
            forms = {said, said + "\n", said.rstrip("\n")} if prefixes == 0 else {said}
            for form in forms if prefixes <= meant.prefixes else ():
                for kind, sql, more, ran in cases(place):
                    if not (ran and meant.not_run and place == SUBMIT):  # nobody else can say it
                        world = World(form, place, sql, ran=ran, more=more)
                        check_whole(text, place, meant, world, kind)


@EACH_TEXT
def test_a_text_out_of_its_place_proves_nothing(text):
    """Also with more lines before it than there may be in its place."""
    for place in PLACES:
        meant = text.at.get(place, Place(UNKNOWN, prefixes=-1))
        for prefixes, said in whole(text.text):
            for kind, sql, more, ran in cases(place) if prefixes > meant.prefixes else ():
                if prefixes > 1 and kind in {"harmless", "allowed"}:
                    continue
                world = World(said, place, sql, ran=ran, more=more)

                check_always(kind, world)
                assert not world.ejected, f"ejected: {world}"
                if kind == "write" and place != FETCH and ran:
                    assert world.told in {LOST, OWN}, world
                    assert world.sent == 1, world


@EACH_TEXT
def test_a_quoted_text_is_the_users_own_error(text):
    """A statement can have Impala quote what it likes, and a function can say it."""
    for place in PLACES:
        every = list(cases(place))
        others, writes = every[:-2], every[-2:]
        for number, quoting in enumerate(QUOTED.values()):
            said = quoting.format(text.text if number % 3 else text.text.rstrip("\n"))
            other = [others[number // 3 % len(others)]] if number % 3 == 0 else []
            for kind, sql, more, ran in (writes[number % 2], *other):
                world = World(said, place, sql, ran=ran, more=more)

                check_always(kind, world)
                assert untouched(world, kind), f"touched: {world}"


@pytest.mark.parametrize("place", [SUBMIT, ERROR])
@pytest.mark.parametrize(
    "text",
    [text for text in TEXTS if text.section in {"4x", "7"}],
    ids=lambda text: text.key,
)
def test_ddl_that_catalogd_may_have_executed_is_not_run_again(text, place):
    """Impala executes it inside ExecuteStatement up to 4.0."""
    meant = text.at.get(place)
    for prefixes, said in whole(text.text):
        for kind, sql, more, ran in cases(place, DDL):
            world = World(said, place, sql, ran=ran, more=more)
            check_always(kind, world)
            if meant is not None and prefixes <= meant.prefixes:
                check_whole(text, place, meant, world, kind)


@EACH_TEXT
def test_what_everybody_says_for_ever_is_not_asked_in_a_hot_loop(text):
    for place in PLACES:
        meant = text.at.get(place)
        for kind, sql, more, ran in cases(place):
            if ran and meant and meant.not_run and place == SUBMIT:
                continue
            world = World(text.text, place, sql, ran=ran, times=10**6, deadline=4.0, more=more)

            if kind == "write":
                assert world.runs <= 1, world
            assert sum(map(len, world.said.values())) <= TRIES, world
            for times in world.said.values():
                at_once = Counter(times).most_common(1)[0][1]
                assert at_once == 1, f"asked {at_once} times in the same moment: {world}"
            if kind != "read" and world.sent > 1 and world.ran:
                assert world.told == LOST or place == FETCH, f"told too little: {world}"


def test_each_text_has_a_key_of_its_own_and_ends_as_impala_ends_it():
    assert len({text.key for text in TEXTS}) == len(TEXTS)
    assert all(text.text.endswith("\n") for text in TEXTS)
    assert all(text.places <= set(PLACES) for text in TEXTS)
    assert all(text.at for text in TEXTS)


def test_each_row_of_what_is_known_is_there():
    rows = defaultdict(set)
    for text in TEXTS:
        rows[text.section].add(text.row)

    assert ROWS == {section: len(found) for section, found in rows.items()}
