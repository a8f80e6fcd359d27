"""
Take the picture of the demo that stands in the README.

    python docs/make_picture.py

It runs the demo and keeps the screen of the moment in which one coordinator is dead and another
one hangs, as ``docs/demo.svg``.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from impala_ha.cli.demo.data import folder
from impala_ha.cli.demo.picture import Picture
from impala_ha.cli.demo.show import Show
from impala_ha.testing import LocalCluster

TARGET = Path(__file__).with_name("demo.svg")
SECONDS = 18.0
MOMENT = 9.4  # both have been noticed, and neither is back
WIDTH = 100


class Camera:
    """Takes one picture, at `MOMENT`."""

    def __init__(self) -> None:
        self.taken = False

    def __call__(self, picture: Picture, time: float) -> None:
        """Take it, if it is time."""
        if self.taken or time < MOMENT:
            return
        self.taken = True
        console = Console(
            record=True, width=WIDTH, height=40, file=io.StringIO(), force_terminal=True
        )
        console.print(picture)
        svg = console.export_svg(title="make demo")
        # The page that shows it must not load a font from elsewhere.
        svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
        svg = svg.replace("Fira Code", "Menlo, Consolas, DejaVu Sans Mono")
        TARGET.write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


def main(seed: int) -> bool:
    """Run the demo; was it well?"""
    screen = Console(file=io.StringIO(), force_terminal=True, width=WIDTH, height=50)
    with LocalCluster(3, data=folder(), port=21050) as cluster:
        return Show(cluster, screen, SECONDS, seed, Camera()).run().good


if __name__ == "__main__":
    sys.exit(0 if main(seed=3) else 1)
