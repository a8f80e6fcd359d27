"""
Patches impyla in a program that ``impala-ha run`` (or `impala_ha.patch`) has started.

Python runs a module of this name when it starts.  Nothing of the library is imported before the
program imports `impala.dbapi`.  The `sitecustomize` that this one hides is run as well.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

_NAME = "impala.dbapi"


def _patch() -> None:
    try:
        from impala_ha.dbapi import patching  # noqa: PLC0415 - only where impyla is used
    except ImportError as error:
        sys.stderr.write(
            f"impala-ha run: {sys.executable} connects as without it, for impala-ha cannot be "
            f"imported there ({error})\n"
        )
    else:
        patching.patch()


class _Loader:
    """The loader of `impala.dbapi`, which is followed by the patch."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _patch()


class _Finder:
    """Finds `impala.dbapi` where the others find it."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: ModuleType | None = None) -> Any:
        if name != _NAME:
            return None
        for finder in sys.meta_path:
            find: Any = None if finder is cls else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


def _run_the_hidden_one() -> None:
    """Run the `sitecustomize` that this one hides, with the path that it expects."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if os.path.abspath(each) != here]
    this = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401, PLC0415
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", this)


sys.meta_path.insert(0, _Finder)
_run_the_hidden_one()
