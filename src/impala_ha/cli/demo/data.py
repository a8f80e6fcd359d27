"""The data set of the demo, and what the threads ask of it."""

from __future__ import annotations

from pathlib import Path

READS = (
    "SELECT origin, count(*) FROM flights GROUP BY origin",
    "SELECT max(delay_min) FROM flights WHERE destination = 'OSL'",
    "SELECT name, sum(passengers) FROM flights JOIN airlines USING (airline_id) GROUP BY name",
    "SELECT city FROM airports ORDER BY elevation_m DESC LIMIT 3",
    "SELECT count(*), max(id) FROM demo_arrivals",
)


def folder() -> Path:
    """
    Where the data set lies: inside an installed package, beside the sources in a clone.

    Raises:
        FileNotFoundError: It lies in neither place.
    """
    here = Path(__file__).resolve()
    for place in (here.parents[1] / "data", here.parents[4] / "examples" / "data"):
        if place.is_dir():
            return place
    raise FileNotFoundError("the data set of the demo is missing: install impala-ha anew")
