"""
From a coordinator and options to a transport over HTTP.

What one connection learns of a coordinator's cookies, the next one to it knows: a probe then need
not log in anew.  A login goes along to the other coordinators of the cluster until one refuses it;
where Kerberos alone shows who answers, it does not, for who takes a cookie has proven nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from thrift.transport.TTransport import TBufferedTransport, TTransportBase

from impala_ha.auth.credentials import Secrets
from impala_ha.auth.http_auth import BasicAuth, BearerAuth, NegotiateAuth
from impala_ha.core.clock import Clock
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.forks import importing
from impala_ha.core.interruption import is_interrupt
from impala_ha.core.login_throttle import LoginAttempt
from impala_ha.core.model import Coordinator
from impala_ha.net import tls
from impala_ha.net.connecting import Address
from impala_ha.net.cookies import CookieJar
from impala_ha.net.http_proxy import Proxy, ProxyAuth, TunnelSocket, proxy_for
from impala_ha.net.http_request import Auth, Target
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.net.http_transport import ABOUT_NOTHING, HttpTransport
from impala_ha.net.sockets import Socket
from impala_ha.options.kerberos_names import Identity
from impala_ha.options.options import Options

_PIECE = 2**16  # bytes that thrift asks for at once
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds
_CONFUSED = 500  # and above: who answers that is not well
_PROXY = 407  # a proxy says that, and not the coordinator
_BRIEFLY = 1.0  # seconds for finding out whether it is
_USUAL = {"http": 80, "https": 443}


class HttpConnector:
    """Opens HTTP transports for the connections of one driver."""

    def __init__(self, options: Options, secrets: Secrets, clock: Clock, identity: Identity):
        self._options = options
        self._identity = identity
        self._secrets = secrets
        self._clock = clock
        self._cookies: dict[tuple[Coordinator, str], CookieJar] = {}
        self._path = "/" + quote(options.http_path.lstrip("/"), safe="/?&=%:+,;@~!$'()*[]")

    def is_direct(self, coordinator: Coordinator) -> bool:
        """Is *coordinator* connected to without a proxy of the environment?"""
        return proxy_for(self._scheme, coordinator.host, coordinator.port) is None

    def open(
        self,
        coordinator: Coordinator,
        user: str,
        limit: float,
        pinned: Address | None = None,
        *,
        anonymous: bool = False,
    ) -> tuple[TTransportBase, HttpTransport]:
        """
        A buffered transport and the one below it, whose deadline is *limit* seconds from now.

        Args:
            coordinator: Where.
            user: Who.
            limit: Seconds.
            pinned: The only address that may be asked, see `Socket`.
            anonymous: Whether nobody says who comes.

        Raises:
            CallFailed: With how far it came.
        """
        options = self._options
        end = self._clock.now() + limit
        if not anonymous and self._needs_probe(coordinator, user):
            pinned = self.probe_anonymously(coordinator, user, limit, pinned)
        proxy = proxy_for(self._scheme, coordinator.host, coordinator.port)
        login: Any = Auth() if anonymous else self._login(coordinator, user)
        if proxy is not None and proxy.login:
            self._secrets.redaction.add(proxy.login.partition(" ")[2])
            self._secrets.redaction.add(proxy.password)
            if not options.use_ssl:  # else for the tunnel
                login = ProxyAuth(login, proxy, options.connect_timeout)
        cookies = self._jar(coordinator, user, borrows=login.borrows)
        if not cookies.logs_in(self._clock.now()):
            login.prepare(limit)
        transport = None
        try:
            socket = self._socket(coordinator, proxy)
            socket.pinned = pinned
            target = self._target(coordinator, proxy)
            who, timeout = (login, cookies), options.connect_timeout
            transport = HttpTransport(socket, target, who, self._clock, timeout)
            transport.set_deadline(max(0.001, end - self._clock.now()))
            transport.open()
        except BaseException as error:
            if transport is not None:
                transport.close()
            if is_interrupt(error):
                raise
            raise CallFailed(Phase.CONNECT, error) from error
        return TBufferedTransport(transport, rbuf_size=_PIECE), transport

    def _jar(self, coordinator: Coordinator, user: str, *, borrows: bool) -> CookieJar:
        """The cookies of *user* at *coordinator*, with the login at another one if that may be."""
        empty = CookieJar(self._options.http_cookie_names, self._path)
        found = self._cookies.setdefault((coordinator, user), empty)
        own = [jar for (_, whose), jar in list(self._cookies.items()) if whose == user]
        if borrows and not any(jar.refused for jar in own):
            for jar in own:
                found.borrow(jar, self._clock.now())
        return found

    def _needs_probe(self, coordinator: Coordinator, user: str) -> bool:
        """Must it give a sign of life before it is shown a secret?  With TLS it has, then."""
        options = self._options
        known = options.use_ssl or self._secrets.accepted(options.user or user, str(coordinator))
        return not known

    def probe_anonymously(
        self, coordinator: Coordinator, user: str, limit: float, pinned: Address | None = None
    ) -> Address | None:
        """
        Have the coordinator answer an anonymous request within *limit* seconds.

        Returns:
            The address that answered, see `Socket`.

        Raises:
            CallFailed: Nobody is there; or nothing, or that it is not well, was answered.
        """
        _, transport = self.open(coordinator, user, limit, pinned, anonymous=True)
        try:
            transport.write(ABOUT_NOTHING)
            transport.flush()
        except BaseException as error:
            if is_interrupt(error):
                raise
            if (
                not isinstance(error, HTTPStatusError)
                or error.code >= _CONFUSED
                or error.code == _PROXY
            ):
                raise CallFailed(Phase.OPEN, error) from error
        finally:
            transport.close()
        peer: Address | None = transport.peer
        return peer

    def pause(self, why: HTTPStatusError, waited: float) -> float:
        """
        Wait before a gateway is asked once more.

        Args:
            why: What it said.
            waited: Seconds that were waited for it already.

        Returns:
            How many these are now; 0, without a wait, if they would be too many.
        """
        options = self._options
        most = options.deadline if why.retry_after else options.connect_timeout
        seconds = why.retry_after or min(_LONGEST_PAUSE, max(_FIRST_PAUSE, waited))
        if waited + seconds > most:
            return 0.0
        self._clock.sleep(seconds)
        return waited + seconds

    def cookies(self) -> list[str]:
        """What the cookies of all coordinators hold."""
        return [value for cookies in list(self._cookies.values()) for value in cookies.values()]

    def _more(self) -> list[tuple[str, str]]:
        """More headers, as the user's function gives them."""
        headers = self._options.get_user_custom_headers_func
        found = list((headers and headers()) or ())
        for name, value in found:
            self._secrets.redaction.add_header(name, value)
        return found

    @property
    def _scheme(self) -> str:
        return "https" if self._options.use_ssl else "http"

    def _secret_auth(self, coordinator: Coordinator, name: str) -> Auth:
        """Who shows a password, or a token, there."""
        options, secrets = self._options, self._secrets
        usual = "password" if options.auth_mechanism == "PLAIN" else ""  # as in impyla

        def show() -> tuple[str, LoginAttempt | None]:
            known, attempt = secrets.show(name, str(coordinator), options.connect_timeout)
            secrets.hide(name, known)
            return usual if known is None else known, attempt

        def renew(refused: str) -> bool:
            return bool(secrets.password() or secrets.jwt()) and secrets.renew(refused)

        def well() -> bool:
            try:
                self.probe_anonymously(coordinator, name, min(_BRIEFLY, options.connect_timeout))
            except CallFailed:
                return False
            return True

        if options.auth_mechanism == "JWT":
            return BearerAuth(show, renew, well)
        return BasicAuth(name, show, renew, well)

    def _login(self, coordinator: Coordinator, user: str) -> Auth:
        options, secrets = self._options, self._secrets
        if options.auth_mechanism in ("PLAIN", "LDAP", "JWT"):
            return self._secret_auth(coordinator, options.user or user)
        if options.auth_mechanism == "GSSAPI":
            with importing():
                from impala_ha.auth.kerberos import Negotiation, negotiate  # noqa: PLC0415 - not everybody has it

            def negotiation(limit: float) -> Negotiation:
                made = negotiate(options, coordinator, self._clock, limit, self._identity)
                secrets.redaction.add_passing(made.token)
                return made

            return NegotiateAuth(
                negotiation,
                options.connect_timeout,
                certified=options.use_ssl and bool(options.ca_cert or options.verify_cert),
            )
        return Auth()

    def _socket(self, coordinator: Coordinator, proxy: Proxy | None) -> Socket:
        options, context = self._options, None
        if options.use_ssl:
            context = tls.context(options)
        host, port, name = coordinator.host, coordinator.port, coordinator.name
        if proxy is None:
            socket = Socket(host, port, self._clock, context, name)
        elif context is None:
            socket = Socket(proxy.host, proxy.port, self._clock)
        else:
            socket = TunnelSocket(proxy, host, port, name, clock=self._clock, context=context)
        socket.setTimeout(None if options.timeout is None else options.timeout * 1000)
        return socket

    def _target(self, coordinator: Coordinator, proxy: Proxy | None) -> Target:
        options, scheme = self._options, self._scheme
        whole = f"{scheme}://{coordinator}{self._path}"
        usual = coordinator.port == _USUAL[scheme]
        host = str(replace(coordinator, host=coordinator.name or coordinator.host))
        plain = proxy is not None and scheme == "http"
        return Target(
            url=f"{whole.partition('?')[0]} through {proxy}" if proxy else whole.partition("?")[0],
            line=whole if plain else self._path,
            host=host.rpartition(":")[0] if usual else host,
            agent=options.user_agent,
            more=self._more if options.get_user_custom_headers_func else None,
            proxy_login=proxy.login if proxy and plain else "",
        )
