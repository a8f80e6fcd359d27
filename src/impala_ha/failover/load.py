"""
Reading the loads of coordinators from their web pages, for the policy `LeastLoaded`.

Who is about to pick a coordinator reads what is due of a few, within a limit and under a lease; so
what he goes by is true, nobody waits for another one's reading, and there is no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from impala_ha.auth.web_pages import RefusedLogin, WebPages
from impala_ha.balancing.cluster import Cluster
from impala_ha.balancing.load_board import Due
from impala_ha.balancing.readings import Load, load_of, threads_of
from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.model import Attempt, Coordinator
from impala_ha.hs2.link import Link
from impala_ha.options.options import Options

ReadLoad = Callable[[Options, Clock, Due, float], "Load | None"]
_MOST = 2**20  # bytes of a page
_WARNED: set[tuple[Coordinator, str]] = set()
_BINARY, _HTTP = "hiveserver2-frontend", "hiveserver2-http-frontend"  # Impala's names


def note_port(cluster: Cluster, options: Options, link: Link) -> None:
    """Note where the web pages of the coordinator are to which *link* was opened, if it tells."""
    port = 0 if options.web_port else port_of(link.web_address)
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


def port_of(address: str) -> int:
    """The port of a web server, of the *address* that a coordinator tells; 0 if it has none."""
    text = address.rpartition(":")[2]
    return int(text) if text.isdecimal() and len(text) <= len("65535") else 0


def read_load(options: Options, clock: Clock, due: Due, limit: float) -> Load | None:
    """
    The load of a coordinator, by its web server; None if it cannot be read in *limit* seconds.

    Raises what `WebPages.page` does.
    """
    pages = WebPages(replace(due.coordinator, port=due.port), options, clock, limit)
    metrics = pages.page("/jsonmetrics", _MOST)
    if metrics is None:
        return None
    threads = due.threads or threads_of(pages.page("/varz", _MOST) or {})
    server = _HTTP if options.use_http_transport else _BINARY
    return load_of(metrics, threads, pages.page("/", _MOST) or {}, server)


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
