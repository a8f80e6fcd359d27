"""
The honest model of the state machine: what must be true, going by what the callers were told.

`Table` knows of each row whether it must be there, may be there or must not.  `Harm` knows what
was done to which coordinator, and whose sessions may be left over.  `Calls` makes every call of
the library, measures it, and strikes in the middle of it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from impala_ha import OutcomeUnknown, errors

LIMIT = 25.0  # seconds for any call: silence, the deadline, one more attempt, and a slow machine
FOREVER = 6.0  # seconds of delay that no time-out here waits for
SHORT = 0.05
WRONG = {
    "kill": (lambda one: one.kill(), lambda one: one.restart()),
    "hang": (lambda one: one.hang(), lambda one: one.resume()),
    "mute": (lambda one: one.mute(), lambda one: one.unmute()),
    "saturate": (lambda one: one.saturate(), lambda one: one.unsaturate()),
    "drain": (lambda one: one.drain(), lambda one: one.undrain()),
    "stall": (lambda one: one.delay(FOREVER), lambda one: one.delay(0)),
    "slow": (lambda one: one.delay(SHORT), lambda one: one.delay(0)),
}
SILENT = {"hang", "mute", "saturate", "stall"}
HARMLESS = {"slow"}


@dataclass
class Table:
    """
    The table that everybody writes to.

    Attributes:
        name: Of the table, with its database.
        done: Rows that must be there.
        unknown: Rows that may be there or may still come.
        undone: Rows that must never be there.
    """

    name: str
    done: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    undone: set[int] = field(default_factory=set)

    def next(self):
        """A number that no row has yet."""
        return len(self.done) + len(self.unknown) + len(self.undone)

    def insert(self, number):
        """The text of one write."""
        return f"INSERT INTO {self.name} VALUES ({number})"

    def told(self, number, error):
        """Note what the caller of a write was told."""
        if error is None:
            self.done.add(number)
        elif isinstance(error, OutcomeUnknown):
            self.unknown.add(number)
        else:
            self.undone.add(number)

    def wrong_rows(self, numbers):
        """What is wrong with the rows that a reader saw; what is seen is known from there on."""
        seen = Counter(numbers)
        twice = [number for number, times in seen.items() if times > 1]
        missing = self.done - seen.keys()
        false = seen.keys() - self.done - self.unknown
        if twice or missing or false:
            return f"{self.name}: twice {twice}, missing {missing}, should not be there {false}"
        self.done |= seen.keys()
        self.unknown -= seen.keys()
        return ""

    def wrong_executions(self, cluster):
        """What is wrong with what the servers did, going by their journals."""
        ran = Counter(event.sql for event in cluster.journal() if event.event == "started")
        wrong = [n for n in self.done if ran[self.insert(n)] != 1]
        wrong += [n for n in self.unknown if ran[self.insert(n)] > 1]
        wrong += [n for n in self.undone if ran[self.insert(n)] > 0]
        return [f"{self.insert(n)} ran {ran[self.insert(n)]} times" for n in wrong]


class Harm:
    """
    What was done to the coordinators.

    Args:
        cluster: The local cluster.
        spared: The one that nothing lasting is done to; None: none is spared.
    """

    def __init__(self, cluster, spared):
        self.cluster = cluster
        self.spared = spared
        self.now = {}
        self.excused = set()
        self.cut_off = set()
        self.count = Counter()

    def may(self, which, how):
        """May *how* be done to it?"""
        return which != self.spared or how in HARMLESS

    def strike(self, which, how):
        """Do *how* to one that is well."""
        self.now[which] = how
        self.count[how] += 1
        if how in SILENT:
            self.excused.add(which)
        WRONG[how][0](self.cluster[which])

    def mend(self, which):
        """Undo what was done to it."""
        how = self.now.pop(which, None)
        if how is not None:
            WRONG[how][1](self.cluster[which])

    def cut(self, which, phase, byte, how):
        """Cut its connection when *phase* comes."""
        if phase == "OpenSession:response":
            self.excused.add(which)  # nobody ever knew the session
        self.cut_off.add(which)
        self.count["cut"] += 1
        self.cluster[which].cut(phase, byte, how)

    def disconnect(self, which):
        """Hang up on all its clients."""
        self.cut_off.add(which)
        self.count["disconnect"] += 1
        self.cluster[which].disconnect()

    def forgotten(self):
        """A connection was forgotten, not closed; it does not connect anew to close its sessions."""
        self.excused |= self.cut_off

    def reaches(self, which):
        """Can it be given orders?  A process that is dead or stopped cannot."""
        return self.now.get(which) not in {"kill", "hang"}

    def unknown_at(self, coordinator):
        """A write is left alone there, with its session."""
        for one in self.cluster:
            if (one.host, one.port) == (coordinator.host, coordinator.port):
                self.excused.add(one.index)

    def left_over(self):
        """Sessions that nobody has an excuse for, by coordinator."""
        return {
            one.index: one.sessions
            for one in self.cluster
            if one.index not in self.excused and one.sessions
        }

    def heal(self):
        """Undo everything."""
        for which in list(self.now):
            self.mend(which)
        self.cluster.heal()


class Calls:
    """
    Makes the calls, and checks what is true of each: it ends in time, with an answer or an error
    of ours.

    Args:
        harm: What is told of writes that were left alone.
        strict: Whether a call must succeed unless it is told otherwise.
    """

    def __init__(self, harm, *, strict):
        self._harm = harm
        self._strict = strict
        self._strike = None
        self._began = time.monotonic()
        self.story = []
        self.count = 0
        self.longest = 0.0
        self.errors = Counter()

    def meanwhile(self, seconds, strike):
        """Let *strike* happen that many seconds after the next call has begun."""
        self._land()
        self._strike = threading.Timer(seconds, strike)

    def note(self, text):
        """Add a line to the story that a failure tells."""
        self.story.append(f"{time.monotonic() - self._began:7.3f}  {text}")

    def make(self, doing, work, *allowed):
        """
        Do *work*; return its result, and the error that it ended in.

        Args:
            doing: In words.
            work: The call.
            *allowed: Errors that may end it even where it must succeed.
        """
        began = time.monotonic()
        got, error = None, None
        if self._strike is not None:
            self._strike.start()
        try:
            got = work()
        except errors.FailoverError as told:
            error = told
        except Exception as raw:
            self.note(doing)
            raise AssertionError(self.tell(f"{doing}: {raw!r} is none of ours")) from raw
        took = time.monotonic() - began
        self._land()
        self._count(doing, error, took)
        if took > LIMIT:
            raise AssertionError(self.tell(f"{doing} took {took:.1f} s"))
        if error is not None and self._strict and not isinstance(error, allowed):
            raise AssertionError(self.tell(f"{doing}: somebody was well: {error}")) from error
        return got, error

    def _count(self, doing, error, took):
        self.count += 1
        self.longest = max(self.longest, took)
        how = "" if error is None else f": {type(error).__name__}: {error}"
        self.note(f"{doing} ({took:.3f} s){how}")
        if error is not None:
            self.errors[type(error).__name__] += 1
        if isinstance(error, OutcomeUnknown) and error.coordinator is not None:
            self._harm.unknown_at(error.coordinator)

    def _land(self):
        """See to it that a strike that was promised has happened."""
        strike, self._strike = self._strike, None
        if strike is None:
            return
        if strike.is_alive():
            strike.join()
        else:
            strike.run() if strike.ident is None else None

    def settle(self):
        """Nothing is under way any more."""
        self._land()

    def tell(self, text):
        """*text*, and how it came to it."""
        return "\n".join([text, "What happened:", *self.story])
