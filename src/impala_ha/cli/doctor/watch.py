"""Rows of a report from the steps of opening a connection."""

from __future__ import annotations

import ssl
from typing import Any

from impala_ha.auth import kerberos
from impala_ha.cli.doctor.facts import certificate, days
from impala_ha.cli.doctor.report import Layer, Report, Status
from impala_ha.core.clock import Clock
from impala_ha.core.trace import Step
from impala_ha.net.http_proxy import proxy_for
from impala_ha.options.options import Options

_NAMES = 3  # of a certificate that are shown
_WASTE = 0.1  # seconds with addresses that failed which are worth a word
_SOON = 14  # days before its end at which a certificate is worth a word


class Watch:
    """
    Writes down steps as they come.

    Attributes:
        at: The layer that is being dealt with.
    """

    def __init__(self, report: Report, options: Options, clock: Clock):
        self._report = report
        self._options = options
        self._clock = clock
        self._since = clock.now()
        self._tried: list[str] = []
        self._lost = 0.0
        self.at = Layer.ADDRESSES

    def __call__(self, step: Step, what: Any) -> None:
        """Take note of one step."""
        took = self.took()
        self._since = self._clock.now()
        if step is Step.TICKET:
            self._ticket(took)
        elif step is Step.RESOLVED:
            self._addresses(took, what)
        elif step is Step.TRYING:
            self._trying(took, what)
        elif step is Step.CONNECTED:
            self._connected(took, what)
        elif step is Step.SECURED:
            self._secured(took, what)
        elif step is Step.LOGGED_IN:
            self.logged_in(took)
        else:
            self._session(took)

    def took(self) -> float:
        """Seconds since the last step."""
        return self._clock.now() - self._since

    def _ticket(self, took: float) -> None:
        self._report.put(Layer.TICKET, "a ticket is there", took)
        name = kerberos.service(self._options, self._report.coordinator)
        self._report.put(Layer.PRINCIPAL, name, facts={"principal": name})

    def _addresses(self, took: float, found: list[Any]) -> None:
        addresses = list(dict.fromkeys(each[4][0] for each in found))
        self._report.put(
            Layer.ADDRESSES, ", ".join(addresses), took, facts={"addresses": addresses}
        )
        self.at = Layer.TCP
        self._tried, self._lost = [], 0.0

    def _trying(self, took: float, address: Any) -> None:
        self.at = Layer.TCP
        if self._tried:
            self._lost += took
        self._tried.append(_shown(address))
        self._report.rows.pop(Layer.TLS, None)  # of an address that failed

    def _connected(self, took: float, address: Any) -> None:
        shown = text = _shown(address)
        status = Status.OK
        if failed := self._tried[:-1]:
            text += f", after {', '.join(failed)} failed"
            status = Status.WARNING if self._lost > _WASTE else status
        if proxy := self._proxy():
            text += f" ({proxy})"
        facts = {"address": shown}
        self._report.put(Layer.TCP, text, took, status=status, facts=facts)
        if self._options.use_ssl:
            self.at = Layer.TLS

    def _proxy(self) -> str:
        """Who stands between, by the environment."""
        options, where = self._options, self._report.coordinator
        if not options.use_http_transport:
            return ""
        proxy = proxy_for("https" if options.use_ssl else "http", where.host, where.port)
        return str(proxy or "")

    def _secured(self, took: float, handle: ssl.SSLSocket) -> None:
        facts = certificate(handle)
        status = Status.OK
        parts = [str(facts["protocol"])]
        if "expires" in facts:
            common = f"no name but its common one, {facts['subject']}" if facts["subject"] else ""
            named = ", ".join(facts["names"][:_NAMES]) or common or "nobody"
            more = len(facts["names"]) - _NAMES
            named += f" and {more} more" if more > 0 else ""
            parts += [f"for {named}", f"by {facts['issuer']}", days(facts["days_left"])]
            if facts["days_left"] < _SOON:
                status = Status.WARNING
        if not facts["verified"]:
            status = Status.WARNING
            parts.append("not verified")
        self._report.put(Layer.TLS, ", ".join(parts), took, status=status, facts=facts)

    def logged_in(self, took: float | None) -> None:
        """Write down that whoever comes was let in."""
        mechanism = self._options.auth_mechanism
        self._report.put(Layer.LOGIN, mechanism, took, facts={"mechanism": mechanism})

    def _session(self, took: float) -> None:
        if Layer.LOGIN not in self._report.rows:
            self.logged_in(None)
        if self._options.use_http_transport:
            path = "/" + self._options.http_path.lstrip("/").partition("?")[0]
            self._report.put(Layer.HTTP, f"POST {path}: 200", facts={"status": 200, "path": path})
        self._report.put(Layer.SESSION, "OpenSession", took)


def _shown(address: Any) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
