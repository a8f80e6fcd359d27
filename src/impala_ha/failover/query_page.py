"""
The outcome of a statement, from its coordinator's page of queries.

The page shows statements as the administrator's rules redact them (``--redaction_rules_file``),
and cut: a text that differs may still be ours, so texts deny nothing. What is never redacted is
the line ``Session ID`` of a profile, which is there from the start, and the query options, which
come once the statement was planned (Impala's client-request-state.cc). So each statement of our
user is looked up, and "never seen" is said only if

- the page is of the process that has our session, before and after (``/sessions``, and when the
  process began),
- our session was closed, so that a request that is still on its way cannot start anything,
- every statement on the page is certainly another one, and
- nothing was dropped from the page.

A page that asks for a login, speaks TLS (Impala tells its address without saying whether it does)
or shows anything unexpected gives no answer.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from impala._thrift_gen.TCLIService.ttypes import TCloseSessionReq

from impala_ha.errors import Outcome
from impala_ha.hs2.connector import Driver
from impala_ha.net.web import Web

from .outcome_sources import Until, call, meaning
from .statement_ref import StatementRef

Page: TypeAlias = dict[str, Any]  # in JSON, or a part of it

_PROFILE = "/query_profile_plain_text?query_id="
_HEAD = 2**20  # bytes of a profile; what is asked of it stands at its beginning
_ID = re.compile(r"[0-9a-f]{1,16}:[0-9a-f]{1,16}")
_SESSION = re.compile(rb"^\s*Session ID: ([0-9a-f:]+)\s*$", re.MULTILINE)
_MARKED = re.compile(rb"CLIENT_IDENTIFIER=[^\r\n]*?\bimpala-ha-[0-9a-f]{16}\b")
_ROOMY = 2**30  # bytes; no statement takes half of so large a log
_BYTES = "impala-server.query-log-est-total-bytes"


def page(ref: StatementRef, driver: Driver, until: Until) -> Outcome | None:
    """
    Look at the page of queries of the statement's coordinator.

    Where the statement is not there its session is closed before the second look. It is not closed
    as long as anything on the page might be the statement.

    Returns:
        None where a later look may show more: something is being planned, and has no profile yet.
    """
    address = (ref.session.config or {}).get("http_addr")
    if not address:
        return Outcome.UNKNOWN
    web = Web(str(address), until.clock, until.end)
    began, user = _began(web), _user(web, ref)
    seen = _look(web, ref, user)
    if seen is not Outcome.NEVER_SEEN:
        return seen
    if began is None or user is None:
        return Outcome.UNKNOWN
    closing = TCloseSessionReq(sessionHandle=ref.session.handle)
    if call(ref, driver, until, "CloseSession", closing) is None:
        return Outcome.UNKNOWN
    seen = _look(web, ref, user)
    return seen if seen is not Outcome.NEVER_SEEN or _began(web) == began else Outcome.UNKNOWN


def _began(web: Web) -> object:
    """When the process began, None if unknown."""
    return (web.page("/") or {}).get("process_start_time")


def _user(web: Web, ref: StatementRef) -> object:
    """As whom the statement ran, None if the page does not know its session."""
    for session in _listed(web.page("/sessions"), "sessions") or ():
        if session.get("session_id") == ref.session_id:
            return session.get("delegated_user") or session.get("user")
    return None


def _look(web: Web, ref: StatementRef, user: object) -> Outcome | None:
    shown = web.page("/queries")
    running, ended = _listed(shown, "in_flight_queries"), _listed(shown, "completed_queries")
    if shown is None or running is None or ended is None:
        return Outcome.UNKNOWN
    ours: list[object] = []
    doubtful: list[Page] = []
    for row in [*running, *ended]:
        it_is = _is_ours(ref, row, user, web)
        if it_is:
            ours.append(row.get("state"))
        elif it_is is None:
            doubtful.append(row)
    if ours:
        return meaning(ours)
    if any(row in running for row in doubtful):
        return None
    gone = doubtful or ref.query_id is not None or not _is_whole(shown, web)
    return Outcome.UNKNOWN if gone else Outcome.NEVER_SEEN


def _is_ours(ref: StatementRef, row: Page, user: object, web: Web) -> bool | None:
    """Is *row* of the page our statement?  None if unknown."""
    query_id = str(row.get("query_id"))
    if ref.query_id is not None:
        return query_id == ref.query_id
    if query_id in ref.known or (user is not None and row.get("effective_user") != user):
        return False
    profile = web.text(_PROFILE + query_id, _HEAD) if _ID.fullmatch(query_id) else None
    # A statement may hold lines that look like those of a profile.
    session = _SESSION.search((profile or b"").partition(b"Sql Statement:")[0])
    if profile is None or session is None:
        return None
    if session[1].decode() != ref.session_id:
        return False
    return _is_last(ref, str(row.get("stmt")), profile)


def _is_last(ref: StatementRef, shown: str, profile: bytes) -> bool | None:
    """Is a statement of our session, whose id we do not know, the one that was sent last?"""
    if ref.tag is not None:
        if ref.tag.encode() in profile:
            return True
        if _MARKED.search(profile) and not _MARKED.search(ref.text.encode()):
            return False  # a part of an earlier one: COMPUTE STATS has such
    return True if _may_be(ref.text, shown) and not ref.unnamed else None


def _may_be(text: str, shown: str) -> bool:
    """Is *shown*, which the page may have cut, perhaps within a character, *text*?"""
    cut = shown.removesuffix("...").rstrip("\N{REPLACEMENT CHARACTER}")
    return shown == text or (shown.endswith("...") and text.startswith(cut))


def _is_whole(shown: Page, web: Web) -> bool:
    """
    Does the page certainly show all that ended since its process began?

    The log drops the oldest when it has too many (``--query_log_size``) or too many bytes.  It may
    have dropped some only if it is nearly full now, or so small that a large one empties it.
    """
    most, room = shown.get("completed_log_size"), shown.get("completed_log_size_in_bytes", -1)
    if not isinstance(most, int) or not isinstance(room, int) or room == 0:
        return False
    if 0 <= most <= len(shown["completed_queries"]) + len(shown["in_flight_queries"]):
        return False
    if room < 0:
        return True
    used = (web.page("/jsonmetrics") or {}).get(_BYTES)
    return isinstance(used, int) and 2 * used < room >= _ROOMY


def _listed(shown: Page | None, name: str) -> list[Page] | None:
    """The rows called *name* on a page, None if there are none such."""
    found = (shown or {}).get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        return None
    return found
