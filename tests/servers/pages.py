"""Pages of the documentation, followed to the letter as by somebody who has just come to the machine.

What a page says is run in its order: shell, Python, tables of cron; what a page shows after a ``$``
is compared.  The reader has a home, an environment and a virtual environment of their own.  Names
of hosts are those of the page: a ``sitecustomize`` leads them to the coordinators of the test, for
no file in ``/etc`` is to be changed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"(?:<!-- needs ([\w-]+) -->\n)?```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_RUN_WITHIN = 300
#: What is said on the page, and is different for each reader.
CACHE, HOME = "/tmp/krb5cc_1000", "/home/ann"

_NAMES = '''\
"""The name service of the page."""
import json, os, socket
_places, _forward, _back = json.loads(os.environ["PAGE_NAMES"]), socket.getaddrinfo, socket.getnameinfo
def getaddrinfo(host, port, *rest, **more):
    return _forward(*_places.get(f"{host}:{port}", (host, port)), *rest, **more)
def getnameinfo(address, flags):
    name = _places.get(address[0])
    return (name, str(address[1])) if name else _back(address, flags)
_connect = socket.socket.connect
def connect(self, address):  # an address needs no name service
    return _connect(self, tuple(_places.get(f"{address[0]}:{address[1]}", address)))
socket.getaddrinfo, socket.getnameinfo, socket.socket.connect = getaddrinfo, getnameinfo, connect
'''


class Block(NamedTuple):
    """A piece of code on a page, the heading that it stands under, and what it needs."""

    line: int
    heading: str
    needs: str
    kind: str
    text: str


def blocks(page):
    """Every block of a page, in its order."""
    text = page.read_text("utf-8")
    headings = [(m.start(), m[1]) for m in _HEADING.finditer(_BLOCK.sub(_blank, text))]
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(3)) + 1
        heading = [name for start, name in headings if start < match.start()][-1]
        yield Block(line, heading, match[1] or "", match[2], match[3])


def _blank(match):
    """As long as the block, and no heading in it: a comment of the shell looks like one."""
    return re.sub(r"[^\n]", " ", match[0])


def alike(text):
    """*text* without what differs from day to day: numbers, and how much space is between words."""
    return " ".join(re.sub(r"\d+", "0", text).split())


class Reader:
    """Somebody who follows a page.

    Args:
        directory: For the home and all that is theirs.
        places: Where the names lead, by what a block needs: addresses by ``"name:port"``, and
            names by address.
        words: What stands on the page, and what is to stand in its place.

    Attributes:
        environment: What is set when they begin.
    """

    def __init__(self, directory, places, words):
        self.home = directory / "home"
        self.home.mkdir()
        self.cache = directory / "cache"
        self._directory = directory
        self._places = places
        self._words = {**words, HOME: str(self.home)}
        names = directory / "names"
        names.mkdir()
        (names / "sitecustomize.py").write_text(_NAMES)
        self.environment = {
            # The interpreter of the test run, and Debian's places.
            "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "KRB5CCNAME": f"FILE:{self.cache}",
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        }

    def follow(self, block):
        """Do what *block* says; what that printed.

        Raises:
            AssertionError: It does not work, or does not show what the page shows.
        """
        act = {"console": self._compared, "crontab": self._crontab, "python": self._program}
        return act.get(block.kind, lambda b: self.shell(b.text, b.needs))(block) or ""

    def shell(self, text, needs=""):
        """Run *text* where the last one ended; what it printed."""
        state = self._directory / "state"
        script = self._directory / "script"
        script.write_text(
            f"set -eu\n{f'. {state}' if state.exists() else f'cd {self.home}'}\n{self._said(text)}\n"
            f'{{ export -p | grep -v PAGE_NAMES; echo cd "$PWD"; }} > {state}\n'
        )
        # What was unset in one block is not set in the next.
        kept = {} if state.exists() else self.environment
        return self._run(["/bin/bash", str(script)], {**kept, **self.names(needs)})

    def names(self, needs=""):
        """What makes the names of the page known to a program of Python."""
        places = self._places.get(needs) or self._places[""]
        path = [str(self._directory / "names"), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(path), "PAGE_NAMES": json.dumps(places)}

    def _program(self, block):
        program = self._directory / "program.py"
        program.write_text(self._said(block.text))
        return self.shell(f"python -W error {program}", block.needs)

    def _compared(self, block):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found = self.shell(command, block.needs)
            found = found.replace(str(self.cache), CACHE).replace(str(self.home), HOME)
            assert alike(shown) == alike(found), f"{command} shows:\n{found}"

    def _crontab(self, block):
        """Each line, in the little environment that cron gives."""
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
        environment |= self.names(block.needs)
        for line in self._said(block.text).splitlines():
            if found := re.match(r"(\w+)=(.*)", line):
                environment[found[1]] = found[2]
            else:
                self._run(["/bin/sh", "-c", line.split(None, 5)[5]], environment)

    def _said(self, text):
        for word, value in self._words.items():
            text = text.replace(word, value)
        return text

    def _run(self, command, environment):
        done = subprocess.run(
            command,
            env=environment,
            input=f"{PASSWORD}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_RUN_WITHIN,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


#: What the reader types when asked for a password.
PASSWORD = "ann's own"


def packages(text):
    """What a block of the shell installs with apt-get."""
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [
        word for line in lines if "install" in line for word in line[line.index("install") + 1 :]
    ]
