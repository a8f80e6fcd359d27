"""The web server of a coordinator: its pages as JSON, as a health check, as text in a browser.

It answers in threads of its own, so a coordinator that is mute or whose service threads are all
taken still shows its pages, as Impala's does; one that is stopped or dead shows none.
"""

from __future__ import annotations

import contextlib
import html
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pocket_impala.coordinator.browsers import Browsers
    from pocket_impala.coordinator.pages import Pages

_BACKLOG = 128
# Seconds after which a browser that says nothing is left.
_PATIENCE = 30.0


def serve(listener: socket.socket, pages: Pages, guard: Browsers) -> None:
    """Answer, in threads of its own, what comes to *listener*, which is bound."""
    routes: dict[str, Callable[[str], Any]] = {
        "/": lambda _: pages.root(),
        "/backends": lambda _: pages.backends_page(),
        "/healthz": lambda _: "OK",
        "/inflight_query_ids": lambda _: pages.inflight_query_ids(),
        "/jsonmetrics": lambda _: pages.metrics(),
        "/queries": lambda _: pages.queries(),
        "/query_profile_plain_text": pages.query_profile_plain_text,
        "/sessions": lambda _: pages.sessions(),
        "/varz": lambda _: pages.varz(),
    }

    class Visit(_Visit):
        """One connection to this coordinator."""

        content = routes
        browsers = guard

    server = _Server(listener.getsockname(), Visit, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    listener.listen(_BACKLOG)
    threading.Thread(target=server.serve_forever, name="web", daemon=True).start()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that hangs up is no news."""


class _Visit(BaseHTTPRequestHandler):
    content: dict[str, Callable[[str], Any]]
    browsers: Browsers
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer one request."""
        refusal = self.browsers.refusal({n.lower(): v for n, v in self.headers.items()})
        if refusal is not None:
            self._answer(refusal, "text/plain", f"{refusal.phrase}.")
            return
        address = urlsplit(self.path)
        asked = parse_qs(address.query, keep_blank_values=True)
        page = self.content.get(address.path)
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "No such page.")
            return
        found = page(asked.get("query_id", [""])[0])
        if isinstance(found, str):
            self._answer(HTTPStatus.OK, "text/plain", found)
            return
        bar = [{"link": link, "title": link} for link in self.content]
        found["__common__"] = {"process-name": "impalad", "navbar": bar}
        text = json.dumps(found, indent=4)
        if "json" in asked:
            self._answer(HTTPStatus.OK, "application/json", text)
        else:
            self._answer(HTTPStatus.OK, "text/html", _as_html(text, list(self.content)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        """Write no log: the journal tells what matters."""

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def _as_html(text: str, links: list[str]) -> str:
    bar = " ".join(f'<a href="{link}">{link}</a>' for link in links)
    return f"<!DOCTYPE html><title>impalad</title><p>{bar}</p><pre>{html.escape(text)}</pre>"
