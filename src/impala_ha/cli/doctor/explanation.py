"""
Why a coordinator could not be opened.

The failure names a layer; what it leaves open is looked at a second time, without a login: what
the network is like where there is no ticket, what the certificate says that is not trusted, what
the server speaks that hung up.
"""

from __future__ import annotations

from impala_ha import errors
from impala_ha.auth import kerberos
from impala_ha.cli.doctor.probes import Looks, unverified, without_login
from impala_ha.cli.doctor.queries import Questions
from impala_ha.cli.doctor.report import Chart, Condition, Diagnosis, Layer
from impala_ha.cli.doctor.session import Practice, Refuser
from impala_ha.cli.doctor.verdict import Failure, diagnosis
from impala_ha.cli.doctor.watch import Watch
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.model import Coordinator
from impala_ha.core.trace import tracing
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.net.http_status import HTTPStatusError

_LOOK = 2.0  # seconds for a second look, if there is that much time
_LOOKS = 5  # that may follow each other
_AMBIGUOUS = frozenset({Layer.LOGIN, Layer.SESSION, Layer.PROTOCOL, Layer.PRINCIPAL, Layer.TLS})


class Explanation:
    """
    Of one coordinator's failure.

    Args:
        practice: How to connect.
        chart: Where to write it down.
    """

    def __init__(self, practice: Practice, chart: Chart):
        self._practice = practice
        self._options = practice.options
        self._clock = practice.clock
        self._coordinator = chart.coordinator
        self._chart = chart
        self._end = self._clock.now() + self._options.connect_timeout

    def of_failure(self, failure: Failure, took: float) -> None:
        """Explain *failure*, of a layer that *took* so many seconds."""
        found = diagnosis(failure)
        if failure.phase in {Phase.TICKET, None}:
            self._look_at_network()
        elif found.layer in _AMBIGUOUS and _leaves_open(failure):
            found = Looks(failure, self._clock, self._left()).found() or found
        if found.layer is Layer.TLS and Layer.TLS not in self._chart.rows and self._options.use_ssl:
            self._look_at_certificate()
        before = self._chart.rows.get(found.layer)
        text, facts = (before.text, dict(before.facts)) if before else ("", {})
        if isinstance(failure.error, HTTPStatusError):
            facts["status"] = failure.error.code
        if found.layer is Layer.PRINCIPAL:
            if failure.phase is Phase.TICKET:  # it is one for other services
                self._chart.put(Layer.TICKET, "a ticket is there")
            facts["principal"] = text = kerberos.service(self._options, self._coordinator)
        self._chart.put(found.layer, text, took, condition=Condition.ILL, facts=facts)
        self._chart.diagnosis = self._with_page(found, failure)

    def _look(self) -> float:
        """Seconds for one second look."""
        return min(_LOOK, self._left() / _LOOKS)

    def _left(self) -> float:
        """Seconds for all that is looked at."""
        return max(0.05, self._end - self._clock.now())

    def _look_at_network(self) -> None:
        """What does not depend on who comes."""
        driver = ImpylaDriver(without_login(self._options), self._clock)
        watch = Watch(self._chart, self._options, self._clock)
        try:
            with tracing(watch):
                service = driver.connect(self._coordinator, self._practice.user, self._look())
            service.client.transport.close()
        except CallFailed as error:
            where = self._coordinator
            failure = self._practice.failure(where, error, error.phase, watch.at)
            self._chart.put(watch.at, failure.plain, watch.took(), condition=Condition.ILL)

    def _look_at_certificate(self) -> None:
        """That of a server which is not to be trusted, to see why."""
        driver = ImpylaDriver(unverified(self._options), self._clock)
        try:
            with tracing(Watch(self._chart, self._options, self._clock)):
                service = driver.connect(self._coordinator, self._practice.user, self._look())
            service.client.transport.close()
        except errors.Error:
            return  # there is none to be seen

    def of_restraint(self, refuser: Refuser) -> None:
        """Explain why there was no try: the password was refused elsewhere."""
        self._look_at_network()
        there, phase = refuser.error, refuser.error.phase
        like_there = self._practice.failure(self._coordinator, there, phase, Layer.LOGIN)
        found = Looks(like_there, self._clock, self._left()).found()
        if found is not None:
            self._chart.put(found.layer, condition=Condition.ILL)
            self._chart.diagnosis = found
            return
        text = f"not tried, for {refuser.coordinator} has refused the password"
        self._chart.put(Layer.LOGIN, text, condition=Condition.UNTRIED)
        advice = "mend that first: accounts are locked for trying a wrong password often"
        self._chart.diagnosis = Diagnosis(Layer.LOGIN, text, advice)

    def _with_page(self, found: Diagnosis, failure: Failure) -> Diagnosis:
        """Where a coordinator says nothing, its web page may."""
        mute = failure.silent and found.layer in {Layer.LOGIN, Layer.SESSION}
        refused = found.layer is Layer.TCP and "refused" in failure.text
        if not (self._practice.web_port and (mute or refused)):
            return found
        where = Coordinator(self._coordinator.host, self._practice.web_port)
        page = Questions(self._practice, self._chart, self._look()).look_at_page(str(where))
        if page is None:
            told = "has no answer either"
        elif page.get("is_coordinator"):
            told = "answers, so the process lives"
        else:
            told = "says that this impalad takes no clients (an executor)"
        advice = f"{found.advice}; its web page ({where}) {told}"
        return Diagnosis(found.layer, found.problem, advice, found.fault)


def _leaves_open(failure: Failure) -> bool:
    """Is it an end or a silence, or an answer in another language, which say little?"""
    strange = failure.fault is Fault.MISMATCH and not isinstance(failure.error, HTTPStatusError)
    return failure.ended or failure.silent or strange
