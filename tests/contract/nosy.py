"""Somebody who reads everything that a program lets out, and looks for secrets in it."""

from __future__ import annotations

import base64
import logging
import pickle
import re
import traceback
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

HERE = str(Path(__file__).parent)
#: What says who somebody is over HTTP, whatever it is.
SAID_OVER_HTTP = re.compile(r"\b(?:Basic|Bearer|Negotiate) [\w+/=.-]{8,}")


def forms(secret: bytes):
    """How *secret* may look in a text: plain, escaped, and in base64 wherever it begins there."""
    with suppress(UnicodeDecodeError):
        yield secret.decode()
        yield quote(secret.decode(), safe="")
    yield repr(secret)[2:-1]
    yield secret.hex()
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        yield coded[before and before + 1 : -1]  # without what depends on its neighbours


class Nosy(logging.Handler):
    """
    Reads logs, errors with the variables of their frames, reprs, pickles and files.

    Attributes:
        secrets: What must not be found, by its name.
        read: Everything that was let out, by where it was.
    """

    def __init__(self):
        super().__init__(logging.NOTSET)
        self.secrets: dict[str, bytes] = {}
        self.read: list[tuple[str, str]] = []

    def emit(self, record):
        where = f"log {record.name}:{record.lineno}"
        self.read.append((where, record.getMessage()))
        self.read.append((f"{where} (record)", repr(vars(record))))
        if record.exc_info and record.exc_info[1] is not None:
            self.error(record.exc_info[1])

    def look(self, *things):
        """At the face of each of *things*, and at what it keeps."""
        for thing in things:
            where = type(thing).__name__
            self.read += [(f"repr of {where}", repr(thing)), (f"str of {where}", str(thing))]
            with suppress(TypeError):
                self.read.append((f"variables of {where}", repr(vars(thing))))

    def error(self, error, seen=None):
        """At an error and all that led to it, as a report with variables shows them."""
        seen = set() if seen is None else seen
        if not isinstance(error, BaseException) or id(error) in seen:
            return
        seen.add(id(error))
        self.look(error)
        with suppress(Exception):
            self.read.append((f"pickle of {type(error).__name__}", str(pickle.dumps(error))))
        self.read.append(("traceback", "".join(_without_tests(error).format())))
        for frame, line in traceback.walk_tb(error.__traceback__):
            code = frame.f_code
            if code.co_filename.startswith(HERE):
                continue  # whoever tests knows the secrets
            for name, value in list(frame.f_locals.items()):
                with suppress(Exception):
                    where = f"{Path(code.co_filename).name}:{line} {code.co_name}: {name}"
                    self.read.append((where, f"{name} = {value!r}"))
        for other in (
            error.__cause__,
            error.__context__,
            getattr(error, "inner", None),
            *(attempt.error for attempt in getattr(error, "attempts", ())),
        ):
            self.error(other, seen)

    def files(self, folder):
        """At what the program left behind."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.read.append((f"file {path}", path.read_bytes().decode("latin-1")))

    def found(self):
        """Which secrets are in what was read, and where."""
        looked_for = [
            (name, form) for name, secret in self.secrets.items() for form in forms(secret)
        ]
        found = {
            f"{name} in {where}"
            for where, text in self.read
            for name, form in looked_for
            if form in text
        }
        found |= {
            f"{match[0][:12]}... in {where}"
            for where, text in self.read
            for match in SAID_OVER_HTTP.finditer(text)
        }
        return sorted(found)


def _without_tests(error):
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    todo, done = [report], set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in done:
            continue
        done.add(id(one))
        frames = [frame for frame in one.stack if not frame.filename.startswith(HERE)]
        one.stack = traceback.StackSummary.from_list(frames)
        todo += [one.__cause__, one.__context__]
    return report
