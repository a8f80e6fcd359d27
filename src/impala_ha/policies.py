"""
Who is next?

A policy is anything with ``choose(candidates)``.  To add one, write the class and give it a name
in `POLICIES`.
"""

from .balancing.policies import (
    POLICIES,
    Candidate,
    LeastConnections,
    Ordered,
    Policy,
    RandomChoice,
    RoundRobin,
    TwoChoices,
)

__all__ = [
    "POLICIES",
    "Candidate",
    "LeastConnections",
    "Ordered",
    "Policy",
    "RandomChoice",
    "RoundRobin",
    "TwoChoices",
]


def __dir__() -> list[str]:
    return __all__
