"""
What a coordinator is asked that has opened a session: is it there, which version, does it go?

Whether it shuts down is on its web page, where that can be reached.  Where it cannot, the open
session shows that it does not: one that shuts down opens none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from impala._thrift_gen.TCLIService.ttypes import TGetInfoReq, TGetInfoType
from impala.hiveserver2 import err_if_rpc_not_ok

from impala_ha import errors
from impala_ha.cli.doctor.context import Context
from impala_ha.cli.doctor.facts import web_page
from impala_ha.cli.doctor.report import Diagnosis, Layer, Report, Status
from impala_ha.core.faults import Phase
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.hs2.link import Link

_PAGE = 2.0  # seconds for a web page, if there is that much time


class QueryFailed(Exception):
    """
    A query that was not answered.

    Attributes:
        layer: Which.
        error: What was raised.
        seconds: After which time.
    """

    def __init__(self, layer: Layer, error: errors.Error, seconds: float):
        super().__init__(str(error))
        self.layer = layer
        self.error = error
        self.phase = getattr(error, "phase", Phase.OPEN)
        self.seconds = seconds


class Queries:
    """
    Queries to one coordinator.

    Args:
        context: How to ask.
        report: Where to write the answers.
        seconds: That all of it may take.
    """

    def __init__(self, context: Context, report: Report, seconds: float):
        self._context = context
        self._clock = context.clock
        self._report = report
        self._end = context.clock.now() + seconds

    def ask(self, link: Link) -> None:
        """
        Ask all of them.

        Raises:
            QueryFailed: One was not answered.
        """
        session = link.session(self._context.user, self._context.configuration)
        queries: tuple[tuple[Layer, Callable[[Any], str]], ...] = (
            (Layer.PING, _ping),
            (Layer.VERSION, version),
        )
        for layer, query in queries:
            began = self._clock.now()
            try:
                with link.deadline(max(0.001, self._end - began)):
                    text = query(session)
            except errors.Error as error:
                raise QueryFailed(layer, error, self._clock.now() - began) from error
            self._report.put(layer, text, self._clock.now() - began, facts={layer.value: text})
        if link.impala:
            self.read_page(str((session.config or {})["http_addr"]))
        else:
            self._report.put(Layer.STATE, "takes work (it is no Impala, and shows no state)")

    def read_page(self, address: str) -> dict[str, Any] | None:
        """
        See what the web page at *address* says, and write down whether the coordinator goes.

        Returns:
            The page; None if there is none.
        """
        address = address.removeprefix("http://").removeprefix("https://")
        page = self._page(address)
        facts: dict[str, Any] = {"page": address, "quiescing": None}
        session = self._report.rows.get(Layer.SESSION)
        opened = session is not None and session.status is Status.OK
        if isinstance(page, str):
            facts["why"] = page
            if opened:
                facts["quiescing"] = False
            text = f"takes work (no page at {address})"
            self._put(text, opened, facts)
            return None
        facts["quiescing"] = bool(page.get("is_quiescing"))
        facts["started"] = page.get("process_start_time")
        if facts["quiescing"]:
            self._leaving(page, facts)
        else:
            self._put("takes work", opened, facts)
        return page

    def _put(self, text: str, opened: bool, facts: dict[str, Any]) -> None:
        """Whether it takes work is known if it has just taken some."""
        if opened:
            self._report.put(Layer.STATE, text, facts=facts)
        else:
            self._report.put(Layer.STATE, status=Status.SKIPPED, facts=facts)

    def _leaving(self, page: dict[str, Any], facts: dict[str, Any]) -> None:
        self._report.put(Layer.STATE, "is shutting down", status=Status.FAILED, facts=facts)
        self._report.diagnosis = Diagnosis(
            Layer.STATE,
            f"the coordinator is being shut down: {page.get('shutdown_status', '')}".rstrip(": "),
            "nothing need be done; new connections go to the others",
            "DRAINING",
        )

    def _page(self, address: str) -> dict[str, Any] | str:
        seconds = max(0.05, min(_PAGE, self._end - self._clock.now()))
        late = "no answer in time"
        try:
            return run_with_timeout(
                lambda: web_page(address, seconds), seconds, f"page {address}", late
            )
        except TimeoutError:
            return late


def _ping(session: Any) -> str:
    if not session.ping():
        raise errors.OperationalError("the session did not answer the ping")
    return "answered"


def version(session: Any) -> str:
    """The version of the server, as it tells it in *session*."""
    request = TGetInfoReq(sessionHandle=session.handle, infoType=TGetInfoType.CLI_DBMS_VER)
    answer = session.client.GetInfo(request)
    err_if_rpc_not_ok(answer)
    return str(answer.infoValue.stringValue)
