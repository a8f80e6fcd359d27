"""
The examination of one coordinator.

It is opened as `connect()` opens it, by the same driver, and watched meanwhile.  Where that goes
well it is asked how it is (`_doctor_questions`); where it does not, what the failure leaves open is
looked at (`_doctor_explanation`).  Opening takes at most the time to connect, and all that follows
as long again.
"""

from __future__ import annotations

from impala_ha import errors
from impala_ha.cli.doctor.explanation import Explanation
from impala_ha.cli.doctor.facts import duration
from impala_ha.cli.doctor.queries import Questions, Refusal
from impala_ha.cli.doctor.report import Chart, Condition, Diagnosis, Layer, blank
from impala_ha.cli.doctor.session import Practice, Refuser
from impala_ha.cli.doctor.verdict import diagnosis
from impala_ha.cli.doctor.watch import Watch
from impala_ha.core.faults import CallFailed, Phase
from impala_ha.core.model import Coordinator
from impala_ha.core.trace import tracing
from impala_ha.hs2.link import Link

_SHORT = 15 * 60  # seconds of a ticket's life that are worth a word


class Examination:
    """
    One coordinator's.

    Args:
        practice: How to connect.
        coordinator: To whom.

    Attributes:
        chart: What was found.
    """

    def __init__(self, practice: Practice, coordinator: Coordinator):
        options = practice.options
        self._practice = practice
        self._options = options
        self._clock = practice.clock
        self._coordinator = coordinator
        self.chart = blank(
            coordinator,
            tls=options.use_ssl,
            http=options.use_http_transport,
            kerberos=options.auth_mechanism == "GSSAPI",
        )
        self._watch = Watch(self.chart, options, self._clock)

    def run(self) -> Chart:
        """Examine it."""
        start = self._clock.now()
        where = self._coordinator
        facts = {"host": where.host, "port": where.port}
        self.chart.put(Layer.NAME, str(where), facts=facts)
        self._walk()
        if Layer.TICKET in self.chart.rows:
            self._tell_ticket()
        self.chart.seconds = self._clock.now() - start
        return self.chart

    def _walk(self) -> None:
        link: Link | Refuser | None = None
        failed: tuple[errors.Error, Phase | None] | None = None
        try:
            with tracing(self._watch):
                link = self._practice.open(self._coordinator)
        except CallFailed as error:
            failed = error, error.phase
        except errors.AuthenticationFailed as error:  # there is no secret to show
            failed = error, None
        except errors.Error as error:
            failed = error, Phase.OPEN
        if isinstance(link, Link):
            self._ask(link)
            return
        explanation = Explanation(self._practice, self.chart)
        if link is not None:
            explanation.of_restraint(link)
        elif failed is not None:
            took, at = self._watch.took(), self._watch.at
            explanation.of_failure(self._practice.failure(self._coordinator, *failed, at), took)

    def _ask(self, link: Link) -> None:
        try:
            Questions(self._practice, self.chart, self._options.connect_timeout).ask(link)
        except Refusal as refusal:
            where, at = self._coordinator, refusal.layer
            told = diagnosis(self._practice.failure(where, refusal.error, refusal.phase, at))
            layer = Layer.STATE if told.layer is Layer.STATE else at
            self.chart.put(layer, "", refusal.seconds, condition=Condition.ILL)
            self.chart.diagnosis = Diagnosis(layer, told.problem, told.advice, told.fault)
        finally:
            link.close()

    def _tell_ticket(self) -> None:
        """Whose ticket it is, and how long it lives."""
        row, facts = self.chart.rows[Layer.TICKET], self._practice.ticket
        condition, text = row.condition, row.text
        left = facts.get("seconds_left")
        if condition is not Condition.ILL:
            text = str(facts.get("principal", text))
            if left is not None:
                text = f"{text}, {duration(left)} left"
            if left is not None and left < _SHORT and not self._options.keytab:
                condition = Condition.DOUBTFUL
        self.chart.put(Layer.TICKET, text, row.seconds, condition=condition, facts=facts)
