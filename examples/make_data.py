"""
Make the data set of the examples: flights, the airports they join, and the airlines that fly them.

The numbers come from a generator with a fixed seed, so that every run writes the same files:

    python examples/make_data.py

The files go to ``examples/data``; the local cluster makes tables of them with ``--data``.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

FOLDER = Path(__file__).parent / "data"
FLIGHTS = 3000
FIRST_DAY = date(2024, 1, 1)

AIRPORTS = [
    ("AMS", "Amsterdam", "Netherlands", 52.31, 4.76, -3),
    ("ATH", "Athens", "Greece", 37.94, 23.94, 94),
    ("BER", "Berlin", "Germany", 52.36, 13.50, 48),
    ("BUD", "Budapest", "Hungary", 47.44, 19.26, 151),
    ("CPH", "Copenhagen", "Denmark", 55.62, 12.66, 5),
    ("DUB", "Dublin", "Ireland", 53.42, -6.27, 74),
    ("HEL", "Helsinki", "Finland", 60.32, 24.96, 55),
    ("LIS", "Lisbon", "Portugal", 38.77, -9.13, 114),
    ("MAD", "Madrid", "Spain", 40.47, -3.56, 610),
    ("OSL", "Oslo", "Norway", 60.19, 11.10, 208),
    ("PRG", "Prague", "Czechia", 50.10, 14.26, 380),
    ("VIE", "Vienna", "Austria", 48.11, 16.57, 183),
]
AIRLINES = [
    (1, "Aurora Air", date(1986, 5, 1), True),
    (2, "Baltic Wings", date(1999, 9, 14), True),
    (3, "Cormorant", date(2004, 3, 30), False),
    (4, "Deltaflug", None, True),
    (5, "Estrela", date(2016, 11, 8), True),
]


def main() -> None:
    """Write the three files."""
    FOLDER.mkdir(exist_ok=True)
    write(
        "airports.csv",
        ["code", "city", "country", "latitude", "longitude", "elevation_m"],
        AIRPORTS,
    )
    write("airlines.csv", ["airline_id", "name", "founded", "active"], AIRLINES)
    write(
        "flights.csv",
        ["flight_id", "airline_id", "origin", "destination", "flight_date", "departed", "delay_min",
         "seats", "passengers", "fare", "note"],
        flights(random.Random(20240101)),
    )  # fmt: skip


def flights(chance: random.Random) -> Iterable[Sequence[object]]:
    """The flights, by departure; a cancelled one has neither departure nor passengers."""
    moment = datetime.combine(FIRST_DAY, datetime.min.time()) + timedelta(hours=5)
    for number in range(1, FLIGHTS + 1):
        moment += timedelta(minutes=chance.randint(10, 330))
        origin, destination = chance.sample([airport[0] for airport in AIRPORTS], 2)
        seats = chance.choice([72, 98, 144, 180])
        cancelled = chance.random() < 0.02
        delay = None if cancelled else max(0, round(chance.gauss(8, 18)))
        departed = None if delay is None else moment + timedelta(minutes=delay)
        yield (
            number,
            chance.choice(AIRLINES)[0],
            origin,
            destination,
            moment.date(),
            departed,
            delay,
            seats,
            None if cancelled else chance.randint(seats // 3, seats),
            Decimal(chance.randint(2900, 39900)).scaleb(-2),
            note(delay),
        )


def note(delay: int | None) -> str | None:
    """What the crew wrote down."""
    if delay is None:
        return "cancelled"
    return "late, crew 'on hold'" if delay > 45 else None


def write(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one file; None becomes an empty field, which is NULL."""
    with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
