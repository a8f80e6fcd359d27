"""A hook of MkDocs: a name in a line of prose is not broken at its hyphens, nor within a word."""

from __future__ import annotations

import re

_LONGEST = 36  # characters of a word; what is longer does not fit a telephone in one line
_CODE = re.compile(r"(<pre.*?</pre>)|(<code>)([^<]*)(?=</code>)", re.DOTALL)


def on_page_content(html: str, **_: object) -> str:
    """Put each word of inline code into an element that is kept in one line."""
    return _CODE.sub(lambda found: found[1] or found[2] + _unbroken(found[3]), html)


def _unbroken(code: str) -> str:
    words = re.split(r"(\s+)", code)
    return "".join(
        f'<span class="unbroken">{word}</span>' if 0 < len(word.strip()) <= _LONGEST else word
        for word in words
    )
