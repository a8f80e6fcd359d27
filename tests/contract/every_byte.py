"""
One program, cut at every byte: connect, SET, CREATE, INSERT, SELECT, fetch, close.

The program runs against two coordinators behind two fault proxies; the first connection to the
first of them is cut where the `Cut` says.  Then it is noted what the program was told, what ran
(the engine keeps a ledger), and what was left behind, here and on the servers.  Plain impyla
runs the same program, for comparison.

The test of the promise and the benchmark both drive this.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import random
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import impala.dbapi
import impala.error
import trustme
from ledger_engine import ROWS, Ledger

import impala_ha
from impala_ha.core.login_throttle import LOGIN_THROTTLE
from impala_ha.testing import FaultProxy, LocalCluster

DONE, UNKNOWN, FAILED = "done", "unknown", "failed"

PATIENCE = 2.0  # seconds for connecting, and for a read
HANG = 10.0  # seconds after which a program counts as hung
REST = 2.0  # seconds in which everything must have come to rest
LATER = 0.05  # seconds after which a statement that ran did not run "at once"
LIMIT = "1g"


@dataclass(frozen=True)
class Cut:
    """
    Where the connection breaks.

    Attributes:
        direction: Whose bytes are counted: "to_server" or "to_client".
        byte: After how many.
        how: "fin", "rst" or "silence".
        down: Whether the coordinator cannot be reached any more.
        fresh: Whether the program takes a new cursor after an error, or keeps its own.
    """

    direction: str
    byte: int
    how: str
    down: bool
    fresh: bool


@dataclass
class Told:
    """
    What the program was told of one statement.

    Attributes:
        sql: Its text, which no other program gives.
        write: Whether it changes data.
        limit: The MEM_LIMIT that the program had set on its cursor, as far as it was told.
        how: `DONE`, `UNKNOWN` or `FAILED`.
        error: What was raised.
        ran_at_once: How often it had run when its failure was known.
    """

    sql: str
    write: bool
    limit: str | None
    how: str = DONE
    error: BaseException | None = None
    ran_at_once: int = 0


@dataclass
class Run:
    """
    One run of the program, and what it left.

    Attributes:
        cut: Where it was cut; None for a clean run.
        told: In order, what it was told of each statement that it gave.
        rows: The result of its query; None if there is none.
        connected: Whether `connect` and `cursor` went through.
        seconds: How long it took.
        hung: Whether it had to be freed.
        fired: Whether the cut came.
        raw: Errors that are none of PEP 249's.
        sockets, threads: Left in this process.
        sessions: Left on the servers.
        unanswered: OpenSession calls whose answer the client cannot have read.
        restless: What was still open on the servers or in the proxies.
    """

    cut: Cut | None
    told: list[Told] = field(default_factory=list)
    rows: list | None = None
    connected: bool = False
    seconds: float = 0.0
    hung: bool = False
    fired: bool = False
    raw: list[BaseException] = field(default_factory=list)
    sockets: int = 0
    threads: int = 0
    sessions: int = 0
    unanswered: int = 0
    restless: str = ""

    @property
    def unknown(self):
        return sum(told.how == UNKNOWN for told in self.told)

    @property
    def leaked_sessions(self):
        """Sessions that the client could have closed.

        It cannot close one of which it never heard, and must not close one in which a write of
        unknown outcome may run; where the coordinator is out of reach, it can close none.
        """
        if self.cut is not None and self.cut.down:
            return 0
        return max(0, self.sessions - self.unanswered - self.unknown)


class Ours:
    """The program's library is this one."""

    name = "impala-ha"

    def __init__(self, addresses, security, patience=PATIENCE):
        self._coordinators = [impala_ha.Coordinator(host, port) for host, port in addresses]
        self._options = {
            "connect_timeout": patience,
            "timeout": patience,
            "deadline": 5,
            "hedge_after": 0,
            **security,
        }

    def connect(self):
        # A cluster of its own: what one run learns, the next must not know.
        cluster = impala_ha.Cluster(self._coordinators, policy="ordered")
        return impala_ha.connect(cluster, **self._options)


class Impyla:
    """The program's library is impyla, as it comes."""

    name = "impyla"

    def __init__(self, addresses, security, patience=PATIENCE):
        (host, port), *_ = addresses
        self._options = {"host": host, "port": port, "timeout": patience, **security}

    def connect(self):
        return impala.dbapi.connect(**self._options)


class Program:
    """
    The program, as a careful person writes it.

    It gives each statement once.  When one fails it notes what it was told and goes on with the
    next, on the same cursor or on a new one.
    """

    def __init__(self, client, run, number, ledger):
        self._client = client
        self._run = run
        self._number = number
        self._ledger = ledger
        self._cursor = None
        self._limit = None

    def __call__(self):
        began = time.monotonic()
        connection = self._try(self._client.connect)
        if connection is not None:
            self._cursor = self._try(connection.cursor)
            self._run.connected = self._cursor is not None
            self._statements(connection)
            for thing in (self._cursor, connection):
                if thing is not None:
                    self._try(thing.close)
        self._run.seconds = time.monotonic() - began

    def _statements(self, connection):
        number = self._number
        for sql, write in (
            (f"SET MEM_LIMIT={LIMIT}", False),
            (f"CREATE TABLE made_{number} (i INT)", True),
            (f"INSERT INTO made VALUES ({number})", True),
            (f"SELECT i, word FROM three -- {number}", False),
        ):
            if self._cursor is None:
                return
            told = Told(sql, write, limit=self._limit)
            self._run.told.append(told)
            try:
                self._cursor.arraysize = 2  # so that the three rows take more than one batch
                self._cursor.execute(sql)
                if sql.startswith("SELECT"):
                    self._run.rows = self._cursor.fetchall()
            except impala_ha.OutcomeUnknown as error:
                told.how, told.error = UNKNOWN, error
            except Exception as error:  # noqa: BLE001  # impyla raises what it likes
                told.how, told.error = FAILED, error
                self._note(error)
            if told.how == DONE and sql.startswith("SET"):
                self._limit = LIMIT
            if told.how != DONE:
                self._look(told)
                self._go_on(connection)

    def _go_on(self, connection):
        if self._run.cut is not None and self._run.cut.fresh:
            self._try(self._cursor.close)
            self._cursor = self._try(connection.cursor)
            self._limit = None

    def _look(self, told):
        """Has it run by the time that its failure is known?"""
        end = time.monotonic() + LATER
        while told.write and told.how == FAILED and time.monotonic() < end:
            self._ledger.read()
            told.ran_at_once = self._ledger.ran[told.sql]
            if told.ran_at_once:
                return
            time.sleep(LATER / 10)

    def _try(self, call):
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # impyla raises what it likes
            self._note(error)
            return None

    def _note(self, error):
        if not isinstance(error, impala.error.Error):
            self._run.raw.append(error)


class Lab:
    """
    Two coordinators behind two proxies, and the program.

    Args:
        sasl: Whether clients must say who they are.
        tls: Whether the proxies speak TLS.
        http: Whether all goes over HTTP.
        directory: For the file of the certificate.
    """

    def __init__(self, *, sasl=False, tls=False, http=False, directory=None):
        self.security = {"auth_mechanism": "PLAIN" if sasl else "NOSASL"}
        if http:
            self.security |= {"use_http_transport": True, "http_path": "cliservice"}
        if sasl:
            self.security |= {"user": "etl", "password": "s3cret"}
        context = None
        if tls:
            authority = trustme.CA()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
            path = os.path.join(directory, "ca.pem")  # noqa: PTH118  # a plain text for impyla
            authority.cert_pem.write_to_path(path)
            self.security |= {"use_ssl": True, "ca_cert": path}
        self._context = context
        self._knocks = sasl and not tls
        self._cluster = LocalCluster(
            2, auth="PLAIN" if sasl else "NOSASL", http=http, _engine="ledger_engine:make_engine"
        )
        self._http = http
        self._proxies = []
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._stack.enter_context(self._cluster)
        for coordinator in self._cluster:
            port = coordinator.http_port if self._http else coordinator.port
            proxy = FaultProxy(f"{coordinator.host}:{port}", tls=self._context)
            self._proxies.append(self._stack.enter_context(proxy))
        self.ledger = Ledger(self._cluster.warehouse)
        return self

    def __exit__(self, *_):
        self._stack.close()

    def client(self, kind, **options):
        """A client of that kind, which knows the proxies."""
        addresses = [proxy.address.rsplit(":", 1) for proxy in self._proxies]
        return kind([(host, int(port)) for host, port in addresses], self.security, **options)

    def measure(self, client):
        """How many bytes one clean run takes each way, and where its messages end.

        The first run is left out: it pays for what is imported and resolved once.
        """
        self.run(client, None)
        self.run(client, None)
        first = self._proxies[0]
        number = first.connections
        ends = {"to_server": [0], "to_client": [0]}
        for message in first.messages:
            if message.connection == number:
                request = message.phase.endswith(":request")
                ends["to_server" if request else "to_client"].append(message.end)
        return {way: (first.bytes(way, number), sorted(set(at))) for way, at in ends.items()}

    def run(self, client, cut):
        """Run the program once, as in a process of its own, and see what it leaves behind."""
        LOGIN_THROTTLE.forget()
        run = Run(cut)
        first = self._proxies[0]
        before = [proxy.connections for proxy in self._proxies]
        faults = len(first.faults_fired)
        held = _held()
        if cut is not None:
            # A password in clear text, which nobody has accepted yet, has an anonymous probe before it.
            number = before[0] + (2 if self._knocks and isinstance(client, Ours) else 1)
            first.cut(cut.direction, cut.byte, cut.how, connection=number, down=cut.down)
        self._execute(Program(client, run, next(self._numbers), self.ledger), run)
        run.fired = len(first.faults_fired) > faults
        for proxy in self._proxies:
            proxy.heal()
        if cut is not None and cut.how == "silence":
            first.disconnect()
        run.restless = self._rest()
        run.sockets, run.threads = _left(held)
        run.unanswered = sum(map(self._unanswered, self._proxies, before))
        run.sessions = sum(len(coordinator.sessions) for coordinator in self._cluster)
        if run.sessions:
            for coordinator in self._cluster:
                coordinator.lose_sessions()
        return run

    def _execute(self, program, run):
        """In a thread, so that one that hangs can be freed."""
        thread = threading.Thread(target=program, name="program", daemon=True)
        thread.start()
        thread.join(HANG)
        while thread.is_alive():
            run.hung = True
            for proxy in self._proxies:
                proxy.disconnect("rst")
            thread.join(0.1)

    def _rest(self):
        """Wait until nothing is open any more; say what still is."""
        end = time.monotonic() + REST
        while True:
            still = [f"{proxy!r}: {proxy.open}" for proxy in self._proxies if proxy.open]
            still += [repr(one) for one in self._cluster if not still and one.connections]
            if not still:
                return ""
            if time.monotonic() > end:
                for proxy in self._proxies:
                    proxy.disconnect("rst")
                return ", ".join(still)
            time.sleep(0.001)

    @staticmethod
    def _unanswered(proxy, before):
        seen = Counter()
        for message in reversed(proxy.messages):
            if message.connection <= before:
                break
            seen[message.phase] += 1
        return seen["OpenSession:request"] - seen["OpenSession:response"]


def _held():
    """Open files and threads of this process."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208  # hot


def _left(before):
    """How many more there are now, once those are gone that only wait for the garbage collector."""
    end = time.monotonic() + REST
    collected = False
    while True:
        sockets, threads = (max(0, a - b) for a, b in zip(_held(), before, strict=True))
        if not (sockets or threads) or time.monotonic() > end:
            return sockets, threads
        if not collected:
            gc.collect()
            collected = True
        time.sleep(0.001)


MODES = tuple(itertools.product(("fin", "rst"), (False, True), (False, True)))


def plan(measured, every=1, seed=0, *, each=8):
    """
    The cuts of one series; the modes take turns.

    Args:
        measured: What `Lab.measure` says.
        every: Each how many bytes.
        seed: Of the chance that says where the steps begin, and which mode comes first.
        each: In how many modes the end of each message is cut; from 2 on, one byte around it, too.
    """
    chance = random.Random(seed)
    turns = itertools.cycle(MODES)
    for _ in range(chance.randrange(len(MODES))):
        next(turns)
    cuts = []
    for direction, (size, ends) in measured.items():
        steps = set(range(chance.randrange(every), size + 1, every))
        if each > 1:
            steps |= {end + by for end in ends for by in (-1, 1) if 0 <= end + by <= size}
        places = [end for end in ends for _ in range(each)] + sorted(steps - set(ends))
        cuts += [Cut(direction, byte, *next(turns)) for byte in places]
    return cuts


def table(verdicts):
    """The answers, a column for each of *verdicts* by name, as text that is also Markdown."""
    names = list(verdicts)
    lines = [["", *names], ["---", *("---:" for _ in names)]]
    for question, words in QUESTIONS.items():
        lines.append([words, *(str(verdicts[name].counts[question]) for name in names)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(names) + 1)]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


@dataclass
class Verdict:
    """
    What a series of runs comes to.

    Attributes:
        counts: Each question and how often it had to be answered with yes.
        wrong: What must not be, in words.
    """

    counts: dict[str, int]
    wrong: list[str]


def judge(runs, ledger):
    """Compare what was told with what ran, now that all is over."""
    ledger.read()
    counts = Counter(dict.fromkeys(QUESTIONS, 0))
    wrong = []
    for run in runs:
        answers = Counter()
        for told in run.told:
            answers.update(_about(told, ledger))
        answers["cuts"] = run.fired
        answers["not connected"] = not run.connected
        answers["wrong rows"] = run.rows is not None and sorted(run.rows) != ROWS
        answers["hung"] = run.hung
        answers["raw errors"] = len(run.raw)
        answers["sockets or files left"] = run.sockets
        answers["threads left"] = run.threads
        answers["sessions left"] = run.sessions
        answers["sessions left: never answered"] = min(run.sessions, run.unanswered)
        answers["sessions leaked"] = run.leaked_sessions
        answers["restless"] = bool(run.restless)
        counts.update(answers)
        if bad := [name for name in NEVER if answers[name]]:
            wrong.append(f"{', '.join(bad)}: {run}")
    return Verdict(dict(counts), wrong)


def _about(told, ledger):
    if not told.write:
        return {"reads failed": told.how == FAILED}
    ran = ledger.ran[told.sql]
    return {
        "run twice": ran > 1,
        "reported done, ran not": told.how == DONE and ran == 0,
        "reported failed, ran at once": told.how == FAILED and told.ran_at_once > 0,
        "reported failed, ran later": told.how == FAILED and told.ran_at_once == 0 and ran > 0,
        "reported failed, ran not": told.how == FAILED and ran == 0,
        "reported unknown": told.how == UNKNOWN,
        "ran without its setting": ran > 0 and told.limit not in {None, ledger.limits[told.sql]},
    }


QUESTIONS = {
    "cuts": "cuts",
    "run twice": "writes that ran twice",
    "reported done, ran not": "writes reported done that did not run",
    "reported failed, ran at once": "writes reported failed that had run",
    "reported failed, ran later": "writes reported failed that ran later",
    "reported failed, ran not": "writes reported failed that did not run",
    "reported unknown": "writes reported `OutcomeUnknown`",
    "ran without its setting": "writes that ran without the session's SET",
    "wrong rows": "wrong rows",
    "reads failed": "reads and SETs that failed",
    "not connected": "programs that got no connection",
    "raw errors": "errors that are none of PEP 249's",
    "hung": "hangs",
    "sockets or files left": "sockets or files left in the client",
    "threads left": "threads left in the client",
    "restless": "connections left open on a server",
    "sessions left": "sessions left on a server",
    "sessions left: never answered": "... whose opening was never answered",
    "sessions leaked": "... that the client could have closed",
}

# With impala-ha, none of these may ever be.
NEVER = (
    "run twice",
    "reported done, ran not",
    "reported failed, ran at once",
    "reported failed, ran later",
    "ran without its setting",
    "wrong rows",
    "raw errors",
    "hung",
    "sockets or files left",
    "threads left",
    "restless",
    "sessions leaked",
)
