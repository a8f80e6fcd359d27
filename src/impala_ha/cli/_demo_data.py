"""The data set of the demo, and what the threads ask of it."""

from __future__ import annotations

from pathlib import Path

READS = ("SELECT count(*), max(id) FROM demo_arrivals",)


def folder() -> Path:
    """
    Where the data set lies: inside an installed package, beside the sources in a clone.

    Raises:
        FileNotFoundError: It lies in neither place.
    """
    here = Path(__file__).resolve()
    for place in (here.parent / "data", here.parents[3] / "examples" / "data"):
        if place.is_dir():
            return place
    raise FileNotFoundError("the data set of the demo is missing: install impala-ha anew")
