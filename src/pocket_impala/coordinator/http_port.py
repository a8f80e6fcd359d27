"""The second port of a coordinator: the same calls over HTTP.

It has service threads of its own, as in Impala, and shares sessions, queries and faults with the
first: a session that was opened here may be used there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocket_impala.coordinator.cookies import Cookies
from pocket_impala.coordinator.frontend import Frontend
from pocket_impala.coordinator.gateway import Gateway
from pocket_impala.coordinator.http_wire import HttpWire
from pocket_impala.coordinator.impalad import Connection
from pocket_impala.coordinator.login import Login

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from pocket_impala.coordinator.browsers import Browsers
    from pocket_impala.coordinator.http_head import Head, Headers
    from pocket_impala.coordinator.impalad import Impalad
    from pocket_impala.coordinator.login import Scheme
    from pocket_impala.coordinator.service import Service


class HttpPort:
    """Serves the connections of the HTTP port of one coordinator.

    Args:
        impalad: The coordinator.
        service: What does the calls.
        numbers: Numbers of connections, which both ports share.
        scheme: What is asked of clients; None: nothing.
        tls: The certificate and the rules of TLS; None: none.
        browsers: Which web pages may ask.

    Attributes:
        frontend: What accepts the connections.
        gateway: What answers in the coordinator's place.
        cookies: The cookies that were given out.
        login: What lets requests in.
    """

    def __init__(
        self,
        impalad: Impalad,
        service: Service,
        numbers: Iterator[int],
        scheme: Scheme | None,
        tls: ssl.SSLContext | None,
        *,
        browsers: Browsers,
    ) -> None:
        self._impalad = impalad
        self._service = service
        self._browsers = browsers
        self.gateway = Gateway()
        flags = impalad.flags
        self.cookies = Cookies(flags.max_cookie_lifetime_s, flags.cookie_secret())
        self.login = Login(scheme, self.cookies)
        self.frontend = Frontend(
            impalad.flags,
            impalad.faults,
            numbers,
            admit=lambda _: None,
            tls=tls,
            serve=self._serve,
        )

    def _serve(self, connection: Connection) -> None:
        def admit(head: Head) -> Headers:
            asking.user, headers = self.login.admit(head)
            asking.do_as = head.do_as
            return headers

        faults, browsers = self._impalad.faults, self._browsers
        wire = HttpWire(connection.wire, faults, self.gateway, browsers, admit)
        asking = Connection(connection.number, wire, None)
        self._service.serve(asking)
