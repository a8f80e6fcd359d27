"""
Reading the loads of coordinators from their web pages, for the policy `LeastLoaded`.

Who is about to pick a coordinator reads what is due of a few, within a limit and under a lease; so
what he goes by is true, nobody waits for another one's reading, and there is no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.load_board import Due
from impala_ha.balancing.readings import Load, load_of, threads_of
from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.hs2.link import Link
from impala_ha.net import tls
from impala_ha.net.web import RefusedLogin, Web
from impala_ha.options.options import Options

if TYPE_CHECKING:
    from ssl import SSLContext

    from impala_ha.auth.kerberos import Negotiation

ReadLoad = Callable[[Options, Clock, Due, float], "Load | None"]
_MOST = 2**20  # bytes of a page
_WARNED: set[tuple[Coordinator, str]] = set()
_BINARY, _HTTP = "hiveserver2-frontend", "hiveserver2-http-frontend"  # Impala's names


def note_port(cluster: Cluster, options: Options, link: Link) -> None:
    """Note where the web pages of the coordinator are to which *link* was opened, if it tells."""
    port = 0 if options.web_port else _port(link.web_address)
    if cluster.board is not None and port:
        cluster.board.note_port(link.coordinator, port, cluster.clock.now())


def read_loads(
    cluster: Cluster, options: Options, asked: Collection[Coordinator], read_load: ReadLoad
) -> None:
    """
    Read what is due of the loads of those that are *asked*, within `web_timeout`.

    It fails for nothing: what cannot be read is not known.
    """
    board, clock = cluster.board, cluster.clock
    if board is None:
        return
    start, limit = clock.now(), options.web_timeout
    for where in asked if options.web_port else ():
        board.note_port(where, options.web_port or 0, start)
    # Half of the limit for the last one that is begun, so that each has at least that much.
    while (now := clock.now()) - start < limit / 2:
        if (due := board.lease(asked, now)) is None:
            return
        where = due.coordinator
        load, why = None, ""
        try:
            load = read_load(options, clock, due, limit / 2)
        except Exception as error:
            if from_signal_handler(error):
                raise
            why = str(error)
            if isinstance(error, RefusedLogin):
                board.refused(cluster.coordinators, clock.now())
                _warn(where, due.port, why)
                return
        board.note(where, load, clock.now())
        if load is None:
            _warn(where, due.port, why or "no /jsonmetrics of an Impala coordinator came in time")
        elif load.quiescing:
            _drains(cluster, where)


def _port(address: str) -> int:
    text = address.rpartition(":")[2]
    return int(text) if text.isdecimal() and len(text) <= len("65535") else 0


def read_load(options: Options, clock: Clock, due: Due, limit: float) -> Load | None:
    """
    What the web pages of a coordinator say, within *limit* seconds.

    Raises:
        RefusedLogin: Of the web server.
        Exception: Others that say why they cannot be read.
    """
    where, port, threads = due
    host = f"[{where.host}]" if ":" in where.host else where.host
    context = tls.context(options) if options.web_ssl else None
    about = f"{host}:{port}", clock, clock.now() + limit, context
    web = Web(*about)
    metrics = web.page("/jsonmetrics", _MOST)
    if web.wants_login:
        web = _logged_in(options, where, about)
        metrics = web.page("/jsonmetrics", _MOST)
    if metrics is None:
        return None
    threads = threads or threads_of(web.page("/varz", _MOST) or {})
    server = _HTTP if options.use_http_transport else _BINARY
    return load_of(metrics, threads, web.page("/", _MOST) or {}, server)


def _logged_in(
    options: Options, where: Coordinator, about: tuple[str, Clock, float, SSLContext | None]
) -> Web:
    from impala_ha.auth.web_login import LoggedInWeb  # noqa: PLC0415 - httpx takes 0.15 s

    web, name, word = LoggedInWeb(*about), options.web_user, options.web_password
    negotiation = None
    if options.auth_mechanism == "GSSAPI":
        from impala_ha.auth.kerberos import negotiate  # noqa: PLC0415 - not everybody has it

        asked = replace(options, kerberos_service_name="HTTP")  # as browsers do

        def negotiation() -> Negotiation:
            return negotiate(asked, where, about[1], web.left)

    def password() -> tuple[str, str]:
        return name or "", word() if callable(word) else word or ""

    web.login(None if name is None else password, negotiation)
    return web


def _warn(where: Coordinator, port: int, why: str) -> None:
    """Once in a process."""
    if (where, why) not in _WARNED:
        _WARNED.add((where, why))
        logs.warning(
            "policy least_loaded does not know the load of %s: its web server on port %d cannot be "
            "read: %s",
            where,
            port,
            why,
        )


def _drains(cluster: Cluster, where: Coordinator) -> None:
    text = "its web page says that it is being shut down (is_quiescing)"
    found = Attempt("load", 1, where, 0.0, Fault.DRAINING, Phase.OPEN, text=text)
    cluster.report(found, leased=False)
