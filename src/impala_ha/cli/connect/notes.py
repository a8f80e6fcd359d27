"""
What goes to standard error: counts, warnings, errors, and one line for each failover.

The failover is read off the library's log, which has one record for each attempt.  A call that
failed here and went on there becomes one line; a call that failed everywhere becomes none, for
its error lists the attempts.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect.output import visible
from impala_ha.core.logs import brief

if TYPE_CHECKING:
    from impala_ha.core.model import Attempt

UNHEARD = "names for completion"  # a thread of whose troubles nobody wants to hear
_NAME = "impala-connect"
_OPENING = frozenset({"connect", "cursor"})
_ADVICE = (
    "check names and ports (21050, with --protocol=hs2-http 28000), --protocol and --ssl; "
    "`impala-ha doctor` with the same -i examines each"
)
_AS_OPTIONS = {
    "use_http_transport=True": "--protocol=hs2-http",
    "use_http_transport=False": "--protocol=hs2",
    "use_ssl=True": "--ssl",
    "use_ssl=False": "no --ssl",
    "timestamp_unit='us'": "--timestamp_unit=us",
    " If repeating it is harmless, say so with execute(..., idempotent=True).": "",
}


class Verbosity(Enum):
    """What goes to standard error."""

    QUIET = "errors"
    NORMAL = "errors, failovers, counts and times"
    VERBOSE = "statements and attempts as well"


class Notes(logging.Handler):
    """
    Standard error, and the ear at the library's log.

    Args:
        verbosity: What is shown.
        patience: Seconds after which somebody who waits for a coordinator is shown why.
    """

    def __init__(self, verbosity: Verbosity, patience: float = 1.5) -> None:
        super().__init__(logging.DEBUG)
        self.verbosity = verbosity
        self._patience = patience
        self._timer: threading.Timer | None = None
        self._told = False
        self._silent = False  # whether it was shown that nobody has answered yet
        self._failed: list[Attempt] = []
        self._warned: set[str] = set()

    def listen(self) -> None:
        """
        Hear the library's attempts and Python's warnings.

        Other loggers (impyla's, Thrift's) log the same in other terms, and Python
        prints those that nobody takes; the root gets somebody who takes them.
        """
        logging.getLogger().addHandler(logging.NullHandler())
        library = logging.getLogger("impala_ha")
        library.setLevel(logging.DEBUG)
        library.addHandler(self)
        warnings.showwarning = self._show_warning

    def wait(self) -> None:
        """A coordinator is waited for: say why, if none answers soon."""
        if self._timer is None:
            self._timer = threading.Timer(self._patience, self._show_why)
            self._timer.daemon = True
            with suppress(RuntimeError):  # no thread can be had: it is shown at the end
                self._timer.start()

    def answered(self) -> None:
        """None is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def lost(self) -> None:
        """A call failed whose error nobody shows; what it asked is asked anew."""
        if self._failed:
            self.warning(", ".join(map(_loss, self._failed)))
            self._failed.clear()

    def _show_why(self) -> None:
        self._told, self._silent = True, not self._failed
        failed = {attempt.coordinator: attempt for attempt in list(self._failed)}
        lost = "; ".join(map(_loss, failed.values())) or "each is silent"
        hints = dict.fromkeys(attempt.hint for attempt in failed.values() if attempt.hint)
        advice = as_options("; ".join(hints) or _ADVICE)
        self.warning(
            f"no coordinator is there so far ({lost}); trying on until --deadline: {advice}"
        )

    def error(self, text: str) -> None:
        """Said always."""
        _put(f"{_NAME}: {text}")

    def warning(self, text: str) -> None:
        """Said unless quiet, with the program's name: something was not as it should be."""
        if self.verbosity is not Verbosity.QUIET:
            self.error(text)

    def say(self, text: str) -> None:
        """Said unless quiet: counts and times."""
        if self.verbosity is not Verbosity.QUIET:
            _put(text)

    def out(self, text: str) -> None:
        """Said always, without the program's name: it was asked for."""
        _put(text)

    def detail(self, text: str) -> None:
        """Said on request only."""
        if self.verbosity is Verbosity.VERBOSE:
            _put(text)

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record of the library's log."""
        if record.threadName == UNHEARD:
            return
        attempt: Attempt | None = getattr(record, "attempt", None)
        if attempt is None:
            if getattr(record, "notice", False):
                self.warning(record.getMessage())
            elif getattr(record, "state", None) == "waiting":
                self._wait_on(record)
            return
        if hasattr(record, "state") and not self._failed:
            return  # the story was told when the attempt was reported; of some that is not done
        self.detail(f"Attempt: {attempt.operation} {attempt}")
        if attempt.number == 1:  # of another call
            self._failed.clear()
            self._told = False
        if attempt.fault is not None:
            self._failed.append(attempt)
            if self._silent:
                self._show_why()  # now there is something to show
            return
        self.answered()
        if self._failed:
            self.warning(_story(self._failed, attempt))
            self._failed.clear()

    def _wait_on(self, record: logging.LogRecord) -> None:
        """All were asked in vain: while opening a connection, that is shown if it goes on so."""
        self._failed = list(getattr(record, "attempts", ()))
        opening = {attempt.operation for attempt in self._failed} <= _OPENING
        if self._silent or not (opening or self._told):
            self._show_why()

    def _show_warning(self, message: Warning | str, *_: Any, **__: Any) -> None:
        text = str(message)
        if text not in self._warned:
            self._warned.add(text)
            self.warning(f"warning: {text}")


def as_options(text: str) -> str:
    """*text* with the options of `connect` as those of the command line."""
    for word, option in _AS_OPTIONS.items():
        text = text.replace(word, option)
    return text


def _put(line: str) -> None:
    """Where standard error is gone, nobody would see it."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{visible(line)}\n")
        sys.stderr.flush()


def _story(failed: list[Attempt], last: Attempt) -> str:
    """``a:21050 stopped answering (read 0 bytes); went on at b:21050``."""
    lost = ", ".join(map(_loss, failed))
    again = failed[-1].coordinator == last.coordinator
    return f"{lost}; {'answered again' if again else f'went on at {last.coordinator}'}"


def _loss(attempt: Attempt) -> str:
    label = attempt.fault.label if attempt.fault else ""
    return f"{attempt.coordinator} {label} ({_reason(attempt.text)})"


def _reason(text: str) -> str:
    """The first line, without what Thrift and the system wrap around it."""
    return brief(text) or "no reason given"
