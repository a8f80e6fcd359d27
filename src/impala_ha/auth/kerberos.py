"""
Logging in with Kerberos: the first token, before any coordinator is touched.

Whether there is a ticket, whether it is still good, whether the KDC can be reached and knows the
coordinator: all of that is found out between this machine and the KDC.  So the token that begins
the login is made before the TCP connection, and a client whose ticket has ended neither connects to
coordinators nor has one of them ejected.  The library blocks for half a minute on a KDC that
hangs; it works in a thread that is left behind when the time to connect is over.

Tickets come from the credential cache, or are acquired with a keytab and renewed by libkrb5 when
half of their life is over.  An open connection needs none: it goes on when they end.

While no KDC answers, the tickets that lie in a cache are as good as before.  So it is known of each
ticket whether it was wanted of the KDC and when that may be asked again: by one thread at a time,
however many want the ticket.  The others are given the last answer.

A coordinator whose keys were made anew cannot read the service tickets of before.  One that lies in
the cache of a keytab is replaced when it was refused, and shown once more.
"""

from __future__ import annotations

import base64
import binascii
import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from thrift_sasl import TSaslClientTransport

from impala_ha.core import logs
from impala_ha.core.clock import Clock
from impala_ha.core.forks import GATE
from impala_ha.core.interruption import from_signal_handler
from impala_ha.core.kerberos_errors import NO_KDC, GSSError, server_unproven, timeout_error
from impala_ha.core.model import Coordinator
from impala_ha.core.timeouts import run_with_timeout, waiting_for_kdc
from impala_ha.core.trace import Step, trace
from impala_ha.options import kerberos_names as names
from impala_ha.options.kerberos_names import Identity
from impala_ha.options.options import Options

from .gss_backends import begin, choose
from .gss_context import ContextParameters, SecurityContext
from .gss_sasl import Sasl

if TYPE_CHECKING:
    from thrift.transport.TTransport import TTransportBase

    from impala_ha.net.sockets import Socket

Got = TypeVar("Got")
Who = tuple[str | None, str]  # a principal and its keytab
_FirstToken = tuple[SecurityContext, bytes, Callable[[], None], Callable[[], bool]]

_NO_MATCH = "Matching credential not found"
_WHILE = 30.0  # seconds; libkrb5's own pause between tries to renew
_HANGS: dict[object, float] = {}  # until when the KDC is taken for one that hangs
_BRIEFLY = 2.0  # seconds for a ticket from one that hangs: enough for those in the cache
_LONGEST_WHILE = 3600.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two questions for the same ticket
_MOST_REQUESTS = 1000  # tickets


class Tickets:
    """
    Those for one service that were acquired with one keytab.

    Attributes:
        cache: Which one they lie in: one after the other, for nothing can be taken out of one.
        some: Whether there is one in it.
    """

    def __init__(self) -> None:
        self.cache = 0
        self.some = False
        self._pause = 0.0
        self._until = float("-inf")

    def accepted(self) -> None:
        """Note that the coordinator took the one that it was shown."""
        self._pause, self._until = 0.0, float("-inf")

    def renew(self, old: int | None, now: float) -> bool:
        """
        Have the next login get a new one, after the one that was taken out of *old* was refused.

        Where new ones are refused as well, they are not got again each time.

        Args:
            old: The cache in which it had been before that login; None: it was new.
            now: Seconds of the clock.

        Returns:
            Whether the next login shows another one.
        """
        if old is None or old != self.cache:
            return old is not None
        if now < self._until:
            return False
        self._pause = min(_LONGEST_WHILE, 2 * self._pause or _WHILE)
        self._until = now + self._pause
        self.cache, self.some = old + 1, False
        return True

    def failed(self, cache: int) -> None:
        """Note that there was none to be had in *cache*: those of before may still be good."""
        if cache == self.cache and cache and not self.some:
            self.cache, self.some = cache - 1, True
            self.accepted()  # a new one was not refused


_TICKETS: dict[tuple[Who, str], Tickets] = {}


class TicketRequest:
    """
    A ticket that is asked for, and what is known of it once no KDC answered.

    Attributes:
        why: What was said last; None: nothing was wanted of the KDC so far.
    """

    def __init__(self) -> None:
        self.why: GSSError | None = None
        self._asking: set[int] = set()  # threads, also those that were left behind
        self._pause = 0.0
        self._until = float("-inf")

    def check(self, now: float) -> None:
        """
        Raise what was said last where that is not to be asked again at *now* seconds.

        Raises:
            GSSError: It was said a moment ago, or somebody asks at the moment.
        """
        if self.why is not None and (self._asking or now < self._until):
            raise GSSError(str(self.why), self.why.name)

    def failed(self, key: object, why: GSSError, now: float) -> None:
        """Note that no KDC answered who asked for what *key* stands for."""
        self.why = why
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _FIRST_PAUSE)
        self._until = now + self._pause
        _REQUESTS[key] = self
        while len(_REQUESTS) > _MOST_REQUESTS:
            _REQUESTS.pop(next(iter(_REQUESTS)), None)

    def ask(self, key: object, work: Callable[[], Got]) -> Got:
        """What *work* returns, also where nobody waits for it any more."""
        me = threading.get_ident()
        self._asking.add(me)
        try:
            got = work()
        finally:
            self._asking.discard(me)
        _REQUESTS.pop(key, None)
        return got


_REQUESTS: dict[object, TicketRequest] = {}
os.register_at_fork(after_in_child=_REQUESTS.clear)  # the threads that ask are the parent's


class Negotiation(NamedTuple):
    """
    One login over HTTP.

    Attributes:
        token: In base64, to follow ``Authorization: Negotiate``; good for one request.
        verify: Takes what follows ``WWW-Authenticate: Negotiate`` in the answer, and raises
            `GSSError` unless that proves who the server is.
        accepted: Is called instead where something else proves it.
        renew: Has the next login show another ticket, after this one was refused, if it was old.
    """

    token: str
    verify: Callable[[str], None]
    accepted: Callable[[], None]
    renew: Callable[[], bool]


def check(options: Options) -> None:
    """
    See whether there is a library for what *options* ask for.

    Raises:
        MissingExtra: There is none; says what to type.
    """
    choose(options.kerberos_backend, keytab=options.keytab is not None)


def service(options: Options, coordinator: Coordinator) -> str:
    """The service principal of *coordinator* as far as it is known without a look-up."""
    host = names.host_of(options.krb_host, coordinator)
    return f"{options.kerberos_service_name}/{host}"


def login(
    options: Options,
    coordinator: Coordinator,
    clock: Clock,
    limit: float,
    identity: Identity | None = None,
) -> Sasl:
    """
    The client's side of SASL, with the first token made.

    Args:
        options: Who logs in and under which name the coordinator is known.
        coordinator: Where; it is not touched.
        clock: For the log.
        limit: Seconds.
        identity: Of the connection that it is for.

    Raises:
        MissingExtra: There is no library for it.
        GSSError: There is no token, and why; also when there was none in time.
    """
    context, token, accepted, renew = _first_token(options, coordinator, clock, limit, identity)
    return Sasl(context, token, accepted=accepted, renew=renew)


def sasl_transport(sasl: Sasl, trans: Socket) -> TTransportBase:
    """Thrift's transport on *trans* that logs in with *sasl* when it is opened."""
    return TSaslClientTransport(lambda: sasl, "GSSAPI", trans)


def negotiate(
    options: Options,
    coordinator: Coordinator,
    clock: Clock,
    limit: float,
    identity: Identity | None = None,
) -> Negotiation:
    """
    A token for HTTP, and what verifies the answer to it.

    Takes and raises what `login` does.
    """
    context, token, accepted, renew = _first_token(options, coordinator, clock, limit, identity)

    def verify(text: str) -> None:
        try:
            context.step(base64.b64decode(text, validate=True))
        except (GSSError, binascii.Error) as error:
            raise server_unproven(error, getattr(error, "name", "")) from error
        if not context.complete:
            raise server_unproven("its token does not complete the login")
        accepted()

    return Negotiation(base64.b64encode(token).decode(), verify, accepted, renew)


def _first_token(
    options: Options,
    coordinator: Coordinator,
    clock: Clock,
    limit: float,
    identity: Identity | None,
) -> _FirstToken:
    """A context and its token within *limit* seconds; see `Negotiation` for the two calls."""
    start, asked = clock.now(), service(options, coordinator)
    tickets, old = Tickets(), None
    if options.keytab is None:
        made = _acquire(options, coordinator, clock, limit, 0)
    else:
        tickets = _TICKETS.setdefault(((options.principal, options.keytab), asked), Tickets())
        cache, some = tickets.cache, tickets.some
        try:
            made = _acquire(options, coordinator, clock, limit, cache)
        except GSSError:
            tickets.failed(cache)
            raise
        tickets.some = tickets.some or cache == tickets.cache
        old = cache if some else None
    logs.debug("a token for %s after %.3f s", asked, clock.now() - start)
    trace(Step.TICKET)

    def accepted() -> None:
        tickets.accepted()
        if identity is not None:
            identity.check(made[0].initiator)

    return *made, accepted, lambda: tickets.renew(old, clock.now())


def _acquire(
    options: Options, coordinator: Coordinator, clock: Clock, limit: float, cache: int
) -> tuple[SecurityContext, bytes]:
    """A context with its first token, within *limit* seconds."""
    asked, who = service(options, coordinator), (options.principal, options.keytab)
    # A program may change these between two logins.
    whose = (who, os.environ.get("KRB5_CONFIG"), os.environ.get("KRB5CCNAME"))
    key = (whose, asked, cache)
    request = _REQUESTS.get(key) or TicketRequest()
    request.check(clock.now())

    def first(renew: bool) -> tuple[SecurityContext, bytes]:
        host = names.host_of(options.krb_host, coordinator, _own_name(options, coordinator))
        login = ContextParameters(options.kerberos_service_name, host, *who, renew, cache)
        return begin(login, options.kerberos_backend)

    def work(renew: bool) -> tuple[SecurityContext, bytes]:
        return request.ask(key, partial(first, renew))

    name = f"ticket for {asked}"
    if clock.now() < _HANGS.get(whose, float("-inf")):
        limit = min(limit, _BRIEFLY)
    try:
        with waiting_for_kdc():
            if options.keytab is None:
                return run_with_timeout(lambda: work(False), limit, name, "")
            return _by_keytab(work, whose, clock, limit, name)
    except TimeoutError as error:
        if from_signal_handler(error):
            raise
        why = timeout_error(limit, f"asking for {asked}")
        request.failed(key, why, clock.now())
        if limit >= _BRIEFLY:
            _HANGS[whose] = clock.now() + _WHILE
        raise why from None
    except GSSError as error:
        if error.name in NO_KDC:
            request.failed(key, error, clock.now())
        raise _explained(error, options, asked) from error.__cause__


def _by_keytab(
    work: Callable[[bool], Got], whose: object, clock: Clock, limit: float, name: str
) -> Got:
    """
    A token from tickets that are renewed when half of their life is over, if that is possible.

    A KDC that hangs just then costs half of the time; the tickets are good for as long again.
    For a while they are then used as they are, as long as they are good for it.
    """

    def once(renew: bool) -> Got | None:
        try:
            return run_with_timeout(lambda: work(renew), limit / 2, name, "")
        except TimeoutError as error:
            if from_signal_handler(error):
                raise
            if renew:
                _HANGS[whose] = clock.now() + _WHILE
        except GSSError:
            if renew:
                raise
        return None

    hangs = clock.now() < _HANGS.get(whose, float("-inf"))
    first = once(not hangs) or once(hangs)
    if first is None:
        raise TimeoutError
    return first


def _explained(error: GSSError, options: Options, asked: str) -> GSSError:
    """
    What libkrb5 leaves to be guessed.

    Without the principal in the keytab it looks for a cache, and says that it has none.  A cache
    in which others left tickets for some services, and none to get more with, is told by the same
    number as one that is empty.
    """
    if not options.keytab and _NO_MATCH in str(error):
        text = f"no ticket for {asked} in the credential cache, and none to ask the KDC with"
        return GSSError(f"{text}: {error}", error.name)
    if not options.keytab or error.name != "KRB5_FCC_NOFILE":
        return error
    whose = options.principal or "anybody"
    return GSSError(f"no key of {whose} in the keytab {options.keytab} ({error.name})", error.name)


def _own_name(options: Options, coordinator: Coordinator) -> str:
    """The name of a coordinator that is given by its address; empty where nobody asked for it."""
    named = names.given(options.krb_host, coordinator)
    if not options.krb_canonicalize or not coordinator.is_address or names.HOST not in named:
        return ""
    try:
        with GATE.passing():
            name, _ = socket.getnameinfo((coordinator.host, 0), socket.NI_NAMEREQD)
    except OSError as error:
        if from_signal_handler(error):
            raise
        reason = f"{coordinator.host} has no name ({error}), which krb_canonicalize looked for"
        raise GSSError(reason, "reverse look-up") from error
    return name
