"""
Which passwords and tokens were shown to whom in this process, and what came of it.

Directories lock an account after a few wrong passwords.  So a secret that was refused is not shown
again before it is another one; one that was never accepted is shown by one login at a time, and if
that ends without an answer it is kept back for a while, as it may have been refused.  One
that has been accepted is believed: where a login with it breaks, the coordinator broke.

A secret counts for the coordinators of a cluster: others may ask another directory.  What is kept
of it is a digest, with a salt of this process.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from impala.error import Error

_HOLD, _LONGEST_HOLD = 60.0, 1800.0  # seconds; directories count the failures of 10 to 30 minutes
_RESULT_TIMEOUT = 0.25  # seconds for another login's result with a secret that was accepted before
_SLACK = 10.0  # seconds in which a login that has timed out tells so, however busy the machine
_MOST = 10_000  # secrets that are remembered
_SALT = os.urandom(32)


class LoginBlocked(Error):  # type: ignore[misc]  # impyla is not typed
    """A secret is not shown."""


class StaleCredential(LoginBlocked):
    """A secret that was accepted may have changed: it is to be read anew before it is shown."""


def digest(*secret: str) -> bytes:
    """What stands for *secret* (its kind, the user, the text) in this process."""
    whole = "\0".join(secret).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(whole, key=_SALT, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """That a secret was refused, or perhaps was."""

    where: str
    when: str
    why: str
    until: float
    times: int
    at: float

    def message(self, name: str, now: float) -> str:
        """Why the secret, a *name* like "password", is not shown."""
        begin = f"this {name} was shown to {self.where} at {self.when}"
        if self.until == float("inf"):
            return f"{begin} and was refused ({self.why}); it is not shown again"
        return (
            f"{begin}, which may have refused it ({self.why}); it is not shown again for "
            f"{max(1.0, self.until - now):.0f} s"
        )


class LoginAttempt:
    """
    One login with a secret; it has to end.

    Attributes:
        where: At which coordinator.
        start, end: Since when, and until when others wait for it at most.
        trusted: Whether the secret was accepted before.
        established: Whether it is a request of a connection that was let in: it takes its time.
        ended: Whether all that is left is to find out what its end means.
    """

    def __init__(
        self, throttle: LoginThrottle, key: bytes, scope: Collection[str], where: str, limit: float
    ):
        self.where = where
        self.established = self.ended = False
        self.start = throttle.now()
        self.end = self.start + limit + _SLACK
        self.trusted = throttle.trusts(key, scope)
        self._throttle = throttle
        self._key = key
        self._scope = scope
        self._open = True

    def accepted(self) -> None:
        """Note that the secret is good."""
        if self._open:
            self._throttle.accept(self._key, self._scope, self.where, self.start)
        self.over()

    def refused(self, why: str) -> None:
        """Note that it is not, as the server said."""
        if self._open:
            self._throttle.refuse(self._key, self._scope, self.where, why, sure=True)
        self.over()

    def failed(self, why: str, *, hung_up: bool = False) -> None:
        """
        Note that the login ended without a result.

        Args:
            why: What came instead.
            hung_up: Whether the server closed the connection, as Impala does to refuse.
        """
        if self._open and (hung_up or not self.trusted):
            sure = hung_up and not self.trusted
            self._throttle.refuse(self._key, self._scope, self.where, why, sure=sure)
        elif self._open:
            self._throttle.doubt(self._key, self.where)
        self.over()

    def over(self) -> None:
        """Let others go on."""
        self._open = False
        self._throttle.over(self._key, self)


class LoginThrottle:
    """What is known of the secrets of a process; may be used by many threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        """
        Args:
            now: Tells the seconds of a clock.
        """
        self.now = now
        self.forget()
        _THROTTLES.append(self)

    def forget(self) -> None:
        """Know nothing."""
        self._accepted: dict[bytes, dict[str, float]] = {}
        self._refused: dict[bytes, dict[str, _Refusal]] = {}
        self._doubted: dict[bytes, dict[str, float]] = {}
        self.forked()

    def forked(self) -> None:
        """In a child no login is under way, and no lock is held."""
        self._under_way: dict[bytes, list[LoginAttempt]] = {}
        self._changed = threading.Condition()

    def trusts(self, key: bytes, scope: Collection[str]) -> bool:
        """Was it accepted by one of *scope*, and not refused since?"""
        known = self._accepted.get(key)
        return known is not None and any(where in known for where in scope)

    def check(
        self, key: bytes, scope: Collection[str], name: str, *, read_anew: bool = False
    ) -> None:
        """
        Look whether a secret may be shown.

        Args:
            key: Its digest.
            scope: The coordinators of the cluster.
            name: What it is called.
            read_anew: Whether it was read a moment ago.

        Raises:
            LoginBlocked: It was refused.
            StaleCredential: A login with it broke, and it was not *read_anew*.
        """
        now = self.now()
        for each in list(self._refused.get(key, {}).values()):
            if each.where in scope and now < each.until:
                raise LoginBlocked(each.message(name, now))
        broke = [each for each in list(self._doubted.get(key, ())) if each in scope]
        if broke and not read_anew:
            raise StaleCredential(f"the login with this {name} broke at {broke[0]}")

    def begin(
        self,
        key: bytes,
        scope: Collection[str],
        name: str,
        where: str,
        limit: float,
        *,
        read_anew: bool = False,
    ) -> LoginAttempt:
        """
        Begin a login with a secret, once nobody else finds out whether it is good.

        Args:
            key: Its digest.
            scope: The coordinators of the cluster.
            name: What it is called.
            where: To whom it will be shown.
            limit: Seconds for waiting, if it has not been accepted yet.
            read_anew: Whether it was read a moment ago.

        Raises:
            LoginBlocked: It was refused, or another login with it takes longer.
            StaleCredential: Another login with it failed, or is slow, and it was not *read_anew*.
        """
        with self._changed:
            came = self.now()
            self.check(key, scope, name, read_anew=read_anew)
            while ahead := self._ahead(key, scope):
                left = came + limit - self.now()
                trusted = self.trusts(key, scope)
                asked = {each.where for each in ahead}
                second = where not in asked and len(asked) == 1  # elsewhere it may be quicker
                if trusted and second and not any(each.ended for each in ahead):
                    late = self.now() - min(came, ahead[-1].start)
                    left = min(left, _RESULT_TIMEOUT - late)
                if left <= 0 and trusted and read_anew:
                    break
                if left <= 0 and trusted:
                    raise StaleCredential(f"{ahead[-1].where} takes its time with this {name}")
                if left <= 0:
                    raise LoginBlocked(
                        f"this {name} was shown to {ahead[-1].where} a moment ago, which has not "
                        "answered yet; it is not shown to others meanwhile"
                    )
                self._changed.wait(left)
                self.check(key, scope, name, read_anew=read_anew)
                if self._accepted_since(key, scope, came):
                    return LoginAttempt(self, key, scope, where, limit)
            attempt = LoginAttempt(self, key, scope, where, limit)
            self._under_way.setdefault(key, []).append(attempt)
            return attempt

    def _ahead(self, key: bytes, scope: Collection[str]) -> list[LoginAttempt]:
        now, under_way = self.now(), self._under_way.get(key, ())
        return [
            each
            for each in under_way
            if each.where in scope
            and now < (each.start + _RESULT_TIMEOUT if each.established else each.end)
        ]

    def _accepted_since(self, key: bytes, scope: Collection[str], then: float) -> bool:
        known = self._accepted.get(key, {})
        return any(at >= then for where, at in list(known.items()) if where in scope)

    def accept(self, key: bytes, scope: Collection[str], where: str, start: float) -> None:
        """Note that a secret is good, unless something else was heard since *start*."""
        with self._changed:
            known = self._refused.get(key, {})
            heard = [known[each].at for each in scope if each in known]
            heard += [at for each, at in self._doubted.get(key, {}).items() if each in scope]
            if any(at > start for at in heard):
                return
            _room(self._accepted)
            self._accepted.setdefault(key, {})[where] = self.now()
            for each in scope if key in self._refused else ():
                self._refused[key].pop(each, None)
            for each in scope if key in self._doubted else ():
                self._doubted[key].pop(each, None)

    def doubt(self, key: bytes, where: str) -> None:
        """Note that a login broke with a secret that is known to be good."""
        with self._changed:
            _room(self._doubted)
            self._doubted.setdefault(key, {})[where] = self.now()

    def refuse(
        self, key: bytes, scope: Collection[str], where: str, why: str, *, sure: bool
    ) -> None:
        """Note that it is not, or that it may not be; *sure*: it never will be."""
        with self._changed:
            for each in scope if key in self._accepted else ():
                self._accepted[key].pop(each, None)
            _room(self._refused)
            known = self._refused.setdefault(key, {})
            times = max((r.times for r in known.values() if r.where in scope), default=0)
            hold = min(_LONGEST_HOLD, _HOLD * 2**times)
            now = self.now()
            until = float("inf") if sure else now + hold
            if where not in known or known[where].until < until:
                when = time.strftime("%H:%M:%S")
                known[where] = _Refusal(where, when, why, until, times + 1, now)

    def over(self, key: bytes, attempt: LoginAttempt) -> None:
        """Let others go on after *attempt*."""
        with self._changed:
            left = self._under_way.get(key, [])
            if attempt in left:
                left.remove(attempt)
            if not left:
                self._under_way.pop(key, None)
            self._changed.notify_all()


Known = TypeVar("Known")


def _room(known: dict[bytes, Known]) -> None:
    while len(known) >= _MOST:
        del known[next(iter(known))]


_THROTTLES: list[LoginThrottle] = []
LOGIN_THROTTLE = LoginThrottle()


def _forked() -> None:
    for throttle in _THROTTLES:
        throttle.forked()


os.register_at_fork(after_in_child=_forked)
