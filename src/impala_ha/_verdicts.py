"""
The table of what happens: fault by phase by kind of statement, from the rules themselves.

`verdict` asks the same functions that the loop asks, so the table cannot say anything else than
what is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ._attempts import Call, told_as
from ._fault_rules import FAULT_RULES
from ._faults import Fault, Phase
from ._model import Attempt, Coordinator
from ._statement import Effect

_SOMEWHERE = Coordinator("coordinator")


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What is done about one fault in one phase.

    Attributes:
        fault: What happened.
        phase: How far the statement had come.
        effect: What running the statement once more would do.
        again: Whether it is tried again.
        fenced: Whether it is tried again once the first run is certainly over: its session was
            closed, or its process is gone.
        told: What the caller is told where it is not, or once the tries are spent: the name of an
            error of ours, or ``"its own error"`` for the words of the server.
    """

    fault: Fault
    phase: Phase
    effect: Effect
    again: bool
    fenced: bool
    told: str


def verdict(fault: Fault, phase: Phase, effect: Effect) -> Verdict:
    """What is done when a statement of that *effect* meets *fault* in *phase*."""
    attempt = Attempt("execute", 1, _SOMEWHERE, 0.0, fault, phase)
    call = Call("execute", repeatable=effect is Effect.READ, writes=effect is not Effect.READ)
    again = call.may_follow(attempt)
    ended = effect is Effect.HARMLESS and call.may_follow(replace(attempt, ended=True))
    kind, _ = told_as(call, attempt)
    told = "its own error" if kind is None else kind.__name__
    return Verdict(fault, phase, effect, again, ended and not again, told)


def phases(fault: Fault) -> list[Phase]:
    """The phases in which *fault* can be met, in their order."""
    if fault is Fault.UNKNOWN:
        return list(Phase)
    met = {phase for rule in FAULT_RULES if fault in rule.faults for phase in rule.where}
    return [phase for phase in Phase if phase in met]


def table() -> Iterator[Verdict]:
    """Every fault in every phase in which it can be met, for every kind of statement."""
    for fault in Fault:
        for phase in phases(fault):
            for effect in Effect:
                yield verdict(fault, phase, effect)
