"""
The check of one coordinator.

It is opened as `connect()` opens it, by the same driver, and watched meanwhile.  Where that goes
well its state is queried (`queries`); where it does not, what the failure leaves open is
looked at (`explanation`).  Opening takes at most the time to connect, and all that follows
as long again.
"""

from __future__ import annotations

from dataclasses import replace

from impala_ha import errors
from impala_ha.auth import kerberos
from impala_ha.cli.doctor.context import Context, PasswordRefusal
from impala_ha.cli.doctor.explanation import Explanation
from impala_ha.cli.doctor.facts import dns_seconds, duration
from impala_ha.cli.doctor.queries import Queries, QueryFailed
from impala_ha.cli.doctor.report import Diagnosis, Layer, Report, Status, empty_report
from impala_ha.cli.doctor.verdict import diagnosis
from impala_ha.cli.doctor.watch import Watch
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.model import Coordinator
from impala_ha.core.trace import tracing
from impala_ha.hs2.link import Link

_SHORT = 15 * 60  # seconds of a ticket's life that are worth a word
_SLOW = 0.5  # seconds for a ticket that are, as from a KDC across an ocean


class CoordinatorCheck:
    """
    The checks of one coordinator.

    Args:
        context: How to connect.
        coordinator: To whom.

    Attributes:
        report: What was found.
    """

    def __init__(self, context: Context, coordinator: Coordinator):
        options = context.options
        self._context = context
        self._options = options
        self._clock = context.clock
        self._coordinator = coordinator
        self.report = empty_report(
            coordinator,
            tls=options.use_ssl,
            http=options.use_http_transport,
            kerberos=options.auth_mechanism == "GSSAPI",
        )
        self._watch = Watch(self.report, options, self._clock)

    def run(self) -> Report:
        """Check it."""
        start = self._clock.now()
        where = self._coordinator
        facts = {"host": where.host, "port": where.port}
        self.report.put(Layer.NAME, str(where), facts=facts)
        self._walk()
        if Layer.TICKET in self.report.rows:
            self._report_ticket()
        self.report.seconds = self._clock.now() - start
        return self.report

    def _walk(self) -> None:
        link: Link | PasswordRefusal | None = None
        failed: tuple[errors.Error, Phase | None] | None = None
        try:
            with tracing(self._watch):
                link = self._context.open(self._coordinator)
        except CallFailed as error:
            failed = error, error.phase
        except errors.AuthenticationFailed as error:  # there is no secret to show
            failed = error, None
        except errors.Error as error:
            failed = error, Phase.OPEN
        if isinstance(link, Link):
            self._ask(link)
            return
        explanation = Explanation(self._context, self.report)
        if link is not None:
            explanation.explain_untried(link)
        elif failed is not None:
            took, at = self._watch.took(), self._watch.at
            explanation.explain(self._context.failure(self._coordinator, *failed, at), took)

    def _ask(self, link: Link) -> None:
        try:
            Queries(self._context, self.report, self._options.connect_timeout).ask(link)
        except QueryFailed as refusal:
            where, at = self._coordinator, refusal.layer
            found = diagnosis(self._context.failure(where, refusal.error, refusal.phase, at))
            layer = Layer.STATE if found.layer is Layer.STATE else at
            self.report.put(layer, "", refusal.seconds, status=Status.FAILED)
            self.report.diagnosis = Diagnosis(layer, found.problem, found.advice, found.fault)
        finally:
            link.close()

    def _report_ticket(self) -> None:
        """Whose ticket it is, and how long it lives."""
        row, facts = self.report.rows[Layer.TICKET], self._context.ticket
        status, text = row.status, row.text
        left = facts.get("seconds_left")
        if status is not Status.FAILED:
            text = str(facts.get("principal", text))
            if left is not None:
                text = f"{text}, {duration(left)} left"
            if left is not None and left < _SHORT and not self._options.keytab:
                status = Status.WARNING
        self.report.put(Layer.TICKET, text, row.seconds, status=status, facts=facts)
        if row.seconds is not None and row.seconds > _SLOW:
            self._report_dns()

    def _report_dns(self) -> None:
        """Whether it was the DNS that the ticket took long for."""
        service, _, host = kerberos.service(self._options, self._coordinator).partition("/")
        took = dns_seconds(service, host, self._options.connect_timeout)
        if took < _SLOW / 2:
            return
        row, found = self.report.rows[Layer.TICKET], self.report.diagnosis
        text = (
            f"libkrb5 looks {host} up in the DNS for {took:.1f} s at each login, which "
            "dns_canonicalize_hostname = false and rdns = false in [libdefaults] of krb5.conf spare"
        )
        facts = {**row.facts, "dns_seconds": round(took, 3)}
        status = row.status if row.status is Status.FAILED else Status.WARNING
        said = "; ".join(filter(None, [text, row.text]))
        self.report.put(Layer.TICKET, said, row.seconds, status=status, facts=facts)
        if found is not None and found.layer is Layer.TICKET:
            self.report.diagnosis = replace(found, advice=f"{found.advice}; {text}")
