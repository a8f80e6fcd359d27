"""
Where passwords and tokens come from.

A secret is a text, what a function returns, or what a command prints.  It is read when it is first
needed, before anything is opened, and kept for the connection.  After a refusal it is read anew,
and only another one is worth a second try: accounts are locked for less.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from impala_ha import errors
from impala_ha.core import logs
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.login_throttle import (
    LOGIN_THROTTLE,
    LoginAttempt,
    LoginBlocked,
    StaleCredential,
    digest,
)
from impala_ha.core.redaction import Redaction
from impala_ha.core.secret import Secret, printed, scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from impala_ha.options.options import Options

_NAMES = {"password": "password", "jwt": "JSON Web Token"}


def _key(name: str, user: str, secret: str | None) -> bytes:
    return digest(name, user if name == "password" else "", secret or "")


class Secrets:
    """
    What one connection logs in with.

    May be used by several threads: a hedged open and a probe log in at the same time.

    Attributes:
        redaction: Keeps them out of what servers say.
    """

    def __init__(self, options: Options, scope: Collection[str] = ()):
        """
        Args:
            options: Of the connection: `password` or `password_cmd`, `jwt` or `jwt_cmd`.
            scope: The coordinators of the cluster, who would judge a secret alike.
        """
        self._options = options
        self._scope = frozenset(scope)
        self.redaction = Redaction()
        self._kept: dict[str, Secret | None] = {}
        self._lock = threading.Lock()

    def password(self) -> str | None:
        """
        The password; None if there is none, or if this way of logging in has none.

        Raises:
            AuthenticationFailed: It cannot be had.
        """
        return self._get("password") if self._needed == "password" else None

    def hide(self, user: str, password: str | None) -> None:
        """Keep *user* and *password* together out of sight as well."""
        if password is not None:
            self.redaction.add(f"{user}:{password}")

    def jwt(self) -> str | None:
        """
        The JSON Web Token; None if there is none, or if this way of logging in has none.

        Raises:
            AuthenticationFailed: It cannot be had.
        """
        return self._get("jwt") if self._needed == "jwt" else None

    def ready(self, user: str, where: str, *, certain: bool = False) -> None:
        """
        Read what logging in will need, so that nothing is opened in vain.

        Args:
            user: Who will log in.
            where: At which coordinator.
            certain: Whether it must be one that no login broke with since it was accepted.

        Raises:
            AuthenticationFailed: It cannot be had.
            LoginBlocked: It was refused, and reading it anew gave no other one.
        """
        if name := self._needed:
            scope = self._scope | {where}

            def check(key: bytes, read_anew: bool) -> None:
                LOGIN_THROTTLE.check(key, scope, _NAMES[name], read_anew=read_anew and not certain)

            self._unless_withheld(check, user)

    def accepted(self, user: str, where: str) -> bool:
        """Was what a login of *user* at *where* shows accepted before, or is nothing shown?"""
        name = self._needed
        secret = self._get(name) if name else None
        return secret is None or LOGIN_THROTTLE.trusts(
            _key(name, user, secret), self._scope | {where}
        )

    def show(self, user: str, where: str, limit: float) -> tuple[str | None, LoginAttempt | None]:
        """
        The secret for a login of *user* at *where*, which gets it within *limit* seconds.

        Returns:
            The secret, if there is one, and the attempt that is to be told the result.

        Raises:
            AuthenticationFailed: It cannot be had.
            LoginBlocked: It was refused, and reading it anew gave no other one.
        """
        name = self._needed
        if not name or self._get(name) is None:
            return None, None
        scope = self._scope | {where}

        def begin(key: bytes, read_anew: bool) -> LoginAttempt:
            return LOGIN_THROTTLE.begin(key, scope, _NAMES[name], where, limit, read_anew=read_anew)

        return self._unless_withheld(begin, user)

    def _unless_withheld(
        self, ask: Callable[[bytes, bool], LoginAttempt | None], user: str
    ) -> tuple[str | None, LoginAttempt | None]:
        """*ask* whether the secret may be shown, and once more when it was read anew if not."""
        name = self._needed
        secret = self._get(name)
        try:
            return secret, ask(_key(name, user, secret), False)
        except LoginBlocked as error:
            if not self.renew(secret) and not isinstance(error, StaleCredential):
                raise
        secret = self._get(name)
        return secret, ask(_key(name, user, secret), True)

    def renew(self, refused: str | None = None) -> bool:
        """
        Read anew what a coordinator did not accept.

        Args:
            refused: What that was, if another thread may have renewed it meanwhile.

        Returns:
            Whether it is another one now, so that a second try makes sense.
        """
        name = self._needed
        if not name:
            return False
        refused = self._get(name) if refused is None else refused
        with self._lock:
            if self._kept[name] == refused:
                try:
                    self._kept[name] = self._read(name)
                except errors.AuthenticationFailed as error:
                    logs.warning("the %s was refused and cannot be read anew: %s", name, error)
            return self._kept[name] != refused

    @property
    def _needed(self) -> str:
        mechanism = self._options.auth_mechanism
        return {"JWT": "jwt", "LDAP": "password", "PLAIN": "password"}.get(mechanism, "")

    def _get(self, name: str) -> Secret | None:
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._read(name)
            return self._kept[name]

    def _read(self, name: str) -> Secret | None:
        found = self._found(name)
        if found is not None:
            self.redaction.add(found)
            self.redaction.add(found.strip())
        return found

    def _found(self, name: str) -> Secret | None:
        command, given = getattr(self._options, f"{name}_cmd"), getattr(self._options, name)
        if command is not None:
            limit = self._options.connect_timeout
            found, wrong = printed(command, limit=limit)
            if wrong:
                raise errors.AuthenticationFailed(f"{name}_cmd: {wrong}; nothing was opened")
            return found
        return _returned(given, name) if callable(given) else given


def _returned(function: Callable[[], object], name: str) -> Secret:
    try:
        found, kind = _looked_at(function())
    except Exception as error:
        scrub(error)
        if from_signal_handler(error):
            raise
        why = f"{type(error).__name__}: {error}"
        raise errors.AuthenticationFailed(
            f"the function given as {name} failed ({why}); nothing was opened"
        ) from error
    if not found:
        wrong = kind if found is None else "an empty text"
        raise errors.AuthenticationFailed(
            f"the function given as {name} returned {wrong} and no text; nothing was opened"
        )
    return found


def _looked_at(value: object) -> tuple[Secret | None, str]:
    """A text as a secret, and what kind of thing else it is."""
    return (Secret(value) if isinstance(value, str) else None), type(value).__name__
