"""What all checks share: how to connect, and caution with the password."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from impala_ha.cli.doctor.facts import ticket
from impala_ha.cli.doctor.report import Layer
from impala_ha.cli.doctor.verdict import Failure
from impala_ha.core.cached_property import cached_property
from impala_ha.core.clock import Clock
from impala_ha.core.fault_rules import classify, error_text
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.model import Coordinator
from impala_ha.core.timeouts import run_with_timeout
from impala_ha.hs2.connector import ImpylaDriver, system_user
from impala_ha.hs2.link import Link
from impala_ha.options.options import Options

_TICKET = 2.0  # seconds for looking at a ticket, which is on this machine


class PasswordRefusal(NamedTuple):
    """Who has refused the password, and in which words."""

    coordinator: Coordinator
    error: CallFailed


class Context:
    """
    How coordinators are opened here.

    Args:
        options: How to connect.
        clock: For times and deadlines.
        web_port: Where coordinators have their web pages, if they do not say; 0: nowhere.

    Attributes:
        driver: The library's own, with the secrets, which are read once for all.
        user: Who comes.
        configuration: Of each session.
    """

    def __init__(
        self, options: Options, clock: Clock, web_port: int, peers: Iterable[Coordinator] = ()
    ):
        self.options = options
        self.clock = clock
        self.web_port = web_port
        self.driver = ImpylaDriver(options, clock, peers)
        self.user = options.user or system_user()
        self.configuration = {}
        if options.database:
            self.configuration["use:database"] = options.database.strip("`")
        if options.doas_user:
            self.configuration["impala.doas.user"] = options.doas_user
        self._one_at_a_time = threading.Lock()
        self._accepted = not self.driver.sends_password
        self._refusal: PasswordRefusal | None = None

    @cached_property
    def ticket(self) -> dict[str, Any]:
        """Whose ticket it is, which is the same for all."""
        try:
            return run_with_timeout(lambda: ticket(self.options), _TICKET, "whose ticket", "")
        except TimeoutError:  # a client's keytab of the environment, and a KDC that hangs
            return {}

    def open(self, coordinator: Coordinator) -> Link | PasswordRefusal:
        """
        Open a link; a password is given to one coordinator alone until one has taken it.

        Returns:
            The link; or who has refused the password: accounts are locked for trying it often.

        Raises:
            CallFailed: With how far it came.
            AuthenticationFailed: There is no secret to log in with.
        """
        if self._accepted:
            return self._opened(coordinator)
        with self._one_at_a_time:
            if self._refusal is not None:
                return self._refusal
            try:
                link = self._opened(coordinator)
            except CallFailed as error:
                cause = error.__cause__ or error
                if classify(cause, error.phase, credential=self.driver.credential) is Fault.DENIED:
                    self._refusal = PasswordRefusal(coordinator, error)
                raise
            self._accepted = True
            return link

    def failure(
        self, coordinator: Coordinator, error: BaseException, phase: Phase | None, at: Layer
    ) -> Failure:
        """
        What *error* means.

        Args:
            coordinator: Where.
            error: As the driver raised it.
            phase: How far it had come; None: nothing was opened.
            at: The layer that was being dealt with.
        """
        if isinstance(error, CallFailed):
            error = error.__cause__ or error
        fault = None
        if phase is not None:
            fault = classify(error, phase, credential=self.driver.credential)
        return Failure(coordinator, self.options, phase, error, error_text(error), fault, at)

    def _opened(self, coordinator: Coordinator) -> Link:
        limit = self.options.connect_timeout
        return self.driver.open(coordinator, self.user, self.configuration, limit)
