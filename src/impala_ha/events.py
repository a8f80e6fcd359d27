"""
What happened to coordinators and statements, for ``connect(on_event=)``.

The callable gets an `Event` of one of these classes, in the thread that met it, in the middle of a
call: it should be quick, and must not use the connection.
"""

from .core.events import *  # noqa: F403 - its __all__
from .core.events import __all__, __dir__  # noqa: F401
