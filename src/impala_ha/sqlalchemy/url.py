"""
URLs of engines: ``impala+ha://user:password@a,b,c:21050/database?timeout=30``.

What stands behind the question mark are options of `impala_ha.connect`, with the same converters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.engine import URL

from impala_ha import errors
from impala_ha.options.settings import SECRET, read_texts

_SEVERAL = ("host", "http_cookie_names")  # options that may be given more than once


def connect_arguments(url: URL) -> dict[str, object]:
    """
    The arguments of `impala_ha.connect` that *url* names.

    Raises:
        ConfigurationError: With every mistake in it; nothing was opened.
    """
    problems = list(_mistakes(url))
    own = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
    texts = {name: str(value) for name, value in own.items() if value not in (None, "")} | {
        name: value if isinstance(value, str) else ",".join(value)
        for name, value in url.query.items()
        if name not in SECRET
    }
    try:
        arguments = read_texts(texts)
    except errors.ConfigurationError as error:
        raise errors.ConfigurationError([*problems, *error.problems]) from None
    if problems:
        raise errors.ConfigurationError(problems)
    password = {"password": str(url.password)} if url.password else {}
    return {**password, **arguments}


def _mistakes(url: URL) -> Iterable[str]:
    query: Mapping[str, object] = url.query
    own = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
    for name, value in query.items():
        if name in SECRET:
            yield (
                f"{name} cannot stand behind the question mark of a URL, which logs show: give a "
                f"password before the @, or connect_args={{{name!r}: ...}}, or the environment "
                f"variable IMPALA_HA_{name.upper()}"
            )
        elif not isinstance(value, str) and name not in _SEVERAL:
            yield f"{name} is given more than once"
        elif own.get(name):
            yield f"{name} is given twice: before the question mark, and behind it"
