"""
The table of what happens: fault by phase by kind of statement, from the rules themselves; and
that of logins: how one ended, by what was shown.

`verdict` asks the same functions that the loop asks, so the table cannot say anything else than
what is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from impala_ha import errors
from impala_ha.core.fault_rules import FAULT_RULES
from impala_ha.core.faults import SERVER_ANSWERS, CredentialKind, Fault, LoginFailure, Phase
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.sql.statement import Effect

from .attempts import DEPENDING, Call
from .final_errors import error_class

_SOMEWHERE = Coordinator("coordinator")


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What is done about one fault in one phase.

    Attributes:
        fault: What happened.
        phase: How far the statement had come.
        effect: What running the statement once more would do.
        again: Whether it is tried again.
        fenced: Whether it is tried again once the first run is certainly over: its session was
            closed, or its process is gone.
        error: What the caller gets where it is not, or after the last try: the name of an error
            class, or ``"its own error"`` for the error of the server.
    """

    fault: Fault
    phase: Phase
    effect: Effect
    again: bool
    fenced: bool
    error: str


def decide(fault: Fault, phase: Phase, effect: Effect) -> Decision:
    """What is done when a statement of that *effect* meets *fault* in *phase*."""
    attempt = Attempt("execute", 1, _SOMEWHERE, 0.0, fault, phase)
    call = Call("execute", idempotent=effect is Effect.READ, writes=effect is not Effect.READ)
    again = call.may_follow(attempt)
    ended = effect is Effect.IDEMPOTENT and call.may_follow(replace(attempt, ended=True))
    kind, _ = error_class(call, attempt)
    error = "its own error" if kind is None else kind.__name__
    return Decision(fault, phase, effect, again, ended and not again, error)


@dataclass(frozen=True, slots=True)
class LoginDecision:
    """
    What is done about one failed login.

    Attributes:
        end: How it failed.
        credential: The kind of credentials.
        fault: What that means.
        whose: Whose failure it is, and what follows.
        error: What the caller gets if every login fails, see `Decision`.
    """

    end: str
    credential: CredentialKind
    fault: Fault
    whose: str
    error: str


def logins() -> Iterator[LoginDecision]:
    """Every way in which a login fails, before a coordinator is asked and there."""
    ticket = {Phase.TICKET}
    for rule in FAULT_RULES:
        if rule.where == ticket:
            yield _login(
                f"no ticket: {rule.name}", CredentialKind.TICKET, rule.means(CredentialKind.TICKET)
            )
    for end in LoginFailure:
        for credential in CredentialKind:
            if fault := end.means(credential):
                yield _login(end.label, credential, fault)


def _login(end: str, credential: CredentialKind, fault: Fault) -> LoginDecision:
    error = decide(fault, Phase.LOGIN, Effect.READ).error
    if fault.retry and not fault.permanent and fault not in SERVER_ANSWERS:
        error = errors.NoCoordinatorLeft.__name__  # at the deadline
    return LoginDecision(end, credential, fault, whose(fault), error)


def whose(fault: Fault) -> str:
    """Whose failure *fault* is, where it ends a login, and what follows."""
    if not fault.retry:
        return "the caller's: nobody else is asked"
    if fault.counts_against_host:
        return "the coordinator's: it is ejected, and the next is asked, until the deadline"
    if fault in DEPENDING:
        return (
            "one coordinator's, or the caller's if all say so: each is asked once, and ejected for "
            "connections with the same options"
        )
    if fault.permanent:
        return "one coordinator's, or the caller's if all say so: each is asked once, none ejected"
    return "of the moment: it is waited for until the deadline, none is ejected"


def phases(fault: Fault) -> list[Phase]:
    """The phases in which *fault* can be met, in their order."""
    if fault is Fault.UNKNOWN:
        return list(Phase)
    met = {phase for rule in FAULT_RULES if fault in rule.faults for phase in rule.where}
    return [phase for phase in Phase if phase in met]


def table() -> Iterator[Decision]:
    """Every fault in every phase in which it can be met, for every kind of statement."""
    for fault in Fault:
        for phase in phases(fault):
            for effect in Effect:
                yield decide(fault, phase, effect)
