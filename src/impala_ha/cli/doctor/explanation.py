"""
Why a coordinator could not be opened.

The failure names a layer; what it leaves open is looked at a second time, without a login: what
the network is like where there is no ticket, what the certificate says that is not trusted, what
the server speaks that hung up.
"""

from __future__ import annotations

from impala_ha import errors
from impala_ha.auth import kerberos
from impala_ha.cli.doctor.context import Context, PasswordRefusal
from impala_ha.cli.doctor.probes import Probes, unverified, without_login
from impala_ha.cli.doctor.queries import Queries
from impala_ha.cli.doctor.report import Diagnosis, Layer, Report, Status
from impala_ha.cli.doctor.verdict import Failure, diagnosis
from impala_ha.cli.doctor.watch import Watch
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.core.model import Coordinator
from impala_ha.core.trace import tracing
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.net.http_status import HTTPStatusError

_PROBE = 2.0  # seconds for a probe, if there is that much time
_PROBES = 5  # that may follow each other
_AMBIGUOUS = frozenset({Layer.LOGIN, Layer.SESSION, Layer.PROTOCOL, Layer.PRINCIPAL, Layer.TLS})


class Explanation:
    """
    Of one coordinator's failure.

    Args:
        context: How to connect.
        report: Where to write it down.
    """

    def __init__(self, context: Context, report: Report):
        self._context = context
        self._options = context.options
        self._clock = context.clock
        self._coordinator = report.coordinator
        self._report = report
        self._end = self._clock.now() + self._options.connect_timeout

    def explain(self, failure: Failure, took: float) -> None:
        """Explain *failure*, of a layer that *took* so many seconds."""
        found = diagnosis(failure)
        if failure.phase in {Phase.TICKET, None}:
            self._check_network()
        elif found.layer in _AMBIGUOUS and _leaves_open(failure):
            found = Probes(failure, self._clock, self._left()).found() or found
        if (
            found.layer is Layer.TLS
            and Layer.TLS not in self._report.rows
            and self._options.use_ssl
        ):
            self._read_certificate()
        before = self._report.rows.get(found.layer)
        text, facts = (before.text, dict(before.facts)) if before else ("", {})
        if isinstance(failure.error, HTTPStatusError):
            facts["status"] = failure.error.code
        if found.layer is Layer.PRINCIPAL:
            if failure.phase is Phase.TICKET:  # it is one for other services
                self._report.put(Layer.TICKET, "a ticket is there")
            facts["principal"] = text = kerberos.service(self._options, self._coordinator)
        self._report.put(found.layer, text, took, status=Status.FAILED, facts=facts)
        self._report.diagnosis = self._with_page(found, failure)

    def _share(self) -> float:
        """Seconds for one probe."""
        return min(_PROBE, self._left() / _PROBES)

    def _left(self) -> float:
        """Seconds for all probes."""
        return max(0.05, self._end - self._clock.now())

    def _check_network(self) -> None:
        """What does not depend on who comes."""
        driver = ImpylaDriver(without_login(self._options), self._clock)
        watch = Watch(self._report, self._options, self._clock)
        try:
            with tracing(watch):
                service = driver.connect(self._coordinator, self._context.user, self._share())
            service.client.transport.close()
        except CallFailed as error:
            where = self._coordinator
            failure = self._context.failure(where, error, error.phase, watch.at)
            self._report.put(watch.at, failure.plain, watch.took(), status=Status.FAILED)

    def _read_certificate(self) -> None:
        """That of a server which is not to be trusted, to see why."""
        driver = ImpylaDriver(unverified(self._options), self._clock)
        try:
            with tracing(Watch(self._report, self._options, self._clock)):
                service = driver.connect(self._coordinator, self._context.user, self._share())
            service.client.transport.close()
        except errors.Error:
            return  # there is none to be seen

    def explain_untried(self, refusal: PasswordRefusal) -> None:
        """Explain why there was no try: the password was refused elsewhere."""
        self._check_network()
        there, phase = refusal.error, refusal.error.phase
        like_there = self._context.failure(self._coordinator, there, phase, Layer.LOGIN)
        found = Probes(like_there, self._clock, self._left()).found()
        if found is not None:
            self._report.put(found.layer, status=Status.FAILED)
            self._report.diagnosis = found
            return
        text = f"not tried, for {refusal.coordinator} has refused the password"
        self._report.put(Layer.LOGIN, text, status=Status.SKIPPED)
        advice = "mend that first: accounts are locked for trying a wrong password often"
        self._report.diagnosis = Diagnosis(Layer.LOGIN, text, advice)

    def _with_page(self, found: Diagnosis, failure: Failure) -> Diagnosis:
        """Where a coordinator says nothing, its web page may."""
        mute = failure.silent and found.layer in {Layer.LOGIN, Layer.SESSION}
        refused = found.layer is Layer.TCP and "refused" in failure.text
        if not (self._context.web_port and (mute or refused)):
            return found
        where = Coordinator(self._coordinator.host, self._context.web_port)
        page = Queries(self._context, self._report, self._share()).read_page(str(where))
        if page is None:
            finding = "has no answer either"
        elif page.get("is_coordinator"):
            finding = "answers, so the process lives"
        else:
            finding = "says that this impalad takes no clients (an executor)"
        advice = f"{found.advice}; its web page ({where}) {finding}"
        return Diagnosis(found.layer, found.problem, advice, found.fault)


def _leaves_open(failure: Failure) -> bool:
    """Is it an end or a silence, or an answer in another language, which say little?"""
    strange = failure.fault is Fault.MISMATCH and not isinstance(failure.error, HTTPStatusError)
    return failure.ended or failure.silent or strange
