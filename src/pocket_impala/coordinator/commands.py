"""What another process may ask of a coordinator over its control socket, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pocket_impala.coordinator.contract import SharedCatalog
from pocket_impala.coordinator.impalad import krpc_address
from pocket_impala.coordinator.records import record_of
from pocket_impala.coordinator.workload import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pocket_impala.coordinator.contract import Cells
    from pocket_impala.coordinator.frontend import Frontend
    from pocket_impala.coordinator.http_port import HttpPort
    from pocket_impala.coordinator.impalad import Impalad


def commands_of(
    impalad: Impalad, frontend: Frontend, http: HttpPort | None
) -> dict[str, Callable[..., Any]]:
    """Return what another process may ask for, by name.

    Args:
        impalad: The coordinator.
        frontend: What accepts its connections.
        http: Its second port; None when it has none.
    """
    faults, registry = impalad.faults, impalad.registry

    def lag(seconds: float) -> None:
        if isinstance(impalad.engine, SharedCatalog):
            impalad.engine.lag(seconds)

    def heal() -> None:
        faults.heal()
        lag(0)
        frontend.wake()
        if http is not None:
            http.gateway.clear()
            http.frontend.wake()

    def lose_sessions() -> None:
        for session in registry.sessions():
            registry.close_session(session)

    return {
        "mute": faults.mute,
        "drain": faults.drain,
        "draining": lambda: faults.draining_since is not None,
        "delay": faults.delay,
        "lag": lag,
        "cut": faults.cut,
        "fail_next": faults.fail_next,
        "heal": heal,
        "lose_sessions": lose_sessions,
        "cut_count": lambda: faults.cut_count,
        "sessions": lambda: [str(session.handle) for session in registry.sessions()],
        "running": lambda: _running(impalad),
        "queries": lambda: [str(query.handle) for query in registry.queries()],
        **_port_verbs([frontend, http.frontend] if http is not None else [frontend]),
        **_http_verbs(http),
    }


def _port_verbs(frontends: Sequence[Frontend]) -> dict[str, Callable[..., Any]]:
    """What may be asked of all ports."""

    def saturate(on: bool) -> None:
        for each in frontends:
            each.saturate(on)

    return {
        "saturate": saturate,
        "disconnect": lambda: sum(each.disconnect() for each in frontends),
        "connections": lambda: sum(each.count() for each in frontends),
    }


def _http_verbs(http: HttpPort | None) -> dict[str, Callable[..., Any]]:
    """What may be asked of the HTTP port, where there is one."""
    if http is None:

        def refuse(**_: object) -> None:
            raise ValueError("the cluster was started without http=True")

        return dict.fromkeys(
            ("answer_http", "forget_cookies", "http_connections", "http_logins"), refuse
        )
    return {
        "answer_http": http.gateway.order,
        "forget_cookies": http.cookies.forget,
        "http_connections": lambda: http.frontend.accepted,
        "http_logins": lambda: http.login.proofs,
    }


def _running(impalad: Impalad) -> list[Cells]:
    """What of this coordinator is in ``sys.impala_query_live``."""
    registered = [query for query in impalad.registry.registered() if not query.is_metadata]
    # Read after the queries, as what ends goes from there to here.
    records = [*(record_of(query) for query in registered), *impalad.archive.unwritten()]
    address = krpc_address(impalad.host)
    return list({each.query_id: row_of(each, address) for each in records}.values())
