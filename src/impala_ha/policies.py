"""
Load-balancing policies: which coordinator is next.

A policy is any object with ``choose(candidates)``.  `POLICIES` has those that have a name.
"""

from .balancing.policies import *  # noqa: F403 - its __all__
from .balancing.policies import __all__, __dir__  # noqa: F401
