"""The state of an HS2 session, from which it is rebuilt on another coordinator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from .statement import ALL, Statement

_DATABASE = "use:database"


@dataclass(frozen=True, slots=True)
class Session:
    """
    What ``OpenSession`` needs to rebuild the session elsewhere.

    Not a log of statements: it keeps only the last value of each option, so it does not grow.

    Attributes:
        user: The name in OpenSession (a server that authenticates replaces it).
        configuration: The arguments of ``cursor()`` and ``connect(database=)``.
        changes: What ``USE`` and ``SET`` did since, by option in lower case: (option, value).
    """

    user: str
    configuration: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    changes: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def database(self) -> str:
        """The current database."""
        given = {option.lower(): value for option, value in self.configuration.items()}
        _, now = self.changes.get(_DATABASE, ("", given.get(_DATABASE, "default")))
        return now

    @property
    def names_database(self) -> bool:
        """Did the caller give a database?"""
        return any(option.lower() == _DATABASE for option in self.configuration)

    def after(self, statement: Statement) -> Session:
        """The session once *statement* has succeeded."""
        if statement.setting is None:
            return self
        option, value = statement.setting
        if option == ALL:
            kept = {o: v for o, v in self.configuration.items() if is_no_query_option(o)}
            left = {o: v for o, v in self.changes.items() if is_no_query_option(o)}
            return replace(
                self, configuration=MappingProxyType(kept), changes=MappingProxyType(left)
            )
        changes = {**self.changes, option.lower(): (option, value)}
        return replace(self, changes=MappingProxyType(changes))

    def open_configuration(self) -> dict[str, str]:
        """The configuration of one OpenSession that rebuilds it; Impala takes that."""
        changed = self.changes.keys()
        kept = {o: v for o, v in self.configuration.items() if o.lower() not in changed}
        return {**kept, **dict(self.changes.values())}

    def replay(self) -> Iterator[str]:
        """The statements that rebuild it after an OpenSession with `configuration`; for others."""
        for option, value in self.changes.values():
            if option == _DATABASE:
                yield f"USE `{value}`"
            else:
                yield f"SET {option}={value}"


def is_no_query_option(name: str) -> bool:
    """Is *name* one like ``use:database`` or ``impala.doas.user``, which UNSET ALL keeps?"""
    return ":" in name or "." in name
