"""
From a failure to the layer that is wrong; what to do about it stands in `hs2.hints`.

The library's own judgement comes first: its table of faults, its hints, and how far opening had
come.  Here it is only said in terms of layers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from impala_ha.cli.doctor.report import Diagnosis, Layer
from impala_ha.core.faults import Fault, Phase
from impala_ha.core.model import Coordinator
from impala_ha.hs2.hints import OpenFailure, hint
from impala_ha.net.http_status import HTTPStatusError
from impala_ha.options.options import Options

_ALERT = re.compile(r"ALERT|alert|CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER")
_END = re.compile(r"read 0 bytes|[Cc]onnection reset|Broken pipe|HTTP answer|EOF occurred")
_SILENCE = re.compile(r"timed out|read timeout|[Tt]ime-?out")
_WRAPPING = re.compile(
    r"Could not connect to any of \[.*?\](?:: )?|failed to resolve sockaddr for \S+: "
    r"|unexpected exception: |\[Errno -?\d+\] |\[SSL: \w+\] | ?\(_ssl.*?\)"
)
_BARE_END = re.compile(r"TSocket read 0 bytes|EOF occurred in violation of protocol")
_BARE_SILENCE = re.compile(r"(?:(?:read timeout|timed out|The read operation timed out)[:. ]*)+")
_NO_SUCH_CALL = re.compile(r"[Ii]nvalid method name")  # as Beeswax has it
_OTHER_PORTS = frozenset({21000, 25000})  # of Beeswax and of the web page
_LOGIN_WANTED = (401, 403, 407)
_GSS = "GSS initiate failed"
_NO_TICKET = re.compile(r"HTTP code 401(?!.*\(asks for (?!.*Negotiate))")  # it would take one


class Failure(NamedTuple):
    """
    How opening failed.

    Attributes:
        coordinator: Where.
        options: How.
        phase: How far it had come, None if it had not begun.
        error: What was raised below.
        text: Its words.
        fault: What it means.
        at: The layer that was being dealt with.
    """

    coordinator: Coordinator
    options: Options
    phase: Phase | None
    error: BaseException
    text: str
    fault: Fault | None
    at: Layer

    @property
    def silent(self) -> bool:
        """Was there no answer at all?"""
        return bool(_SILENCE.search(self.text)) and not _END.search(self.text)

    @property
    def ended(self) -> bool:
        """Did the other side hang up without a word?"""
        return bool(_END.search(self.text))

    @property
    def no_answer(self) -> bool:
        """Was there nothing that HiveServer2 would say?"""
        no_such_call = bool(_NO_SUCH_CALL.search(self.text))
        return self.silent or self.ended or no_such_call or self.fault is Fault.MISMATCH

    @property
    def plain(self) -> str:
        """The words without what Thrift and the system wrap around them."""
        lines = _WRAPPING.sub("", self.text).strip().splitlines()
        if lines and _BARE_END.fullmatch(lines[0]):
            return "the server closed the connection without a word"
        if lines and _BARE_SILENCE.fullmatch(lines[0]):
            return f"no answer within {self.options.connect_timeout:g} s"
        return lines[0] if lines else type(self.error).__name__


def layer_of(failure: Failure) -> Layer:
    """Which layer is wrong, as far as the failure itself shows."""
    if failure.phase is None:
        return Layer.SECRET
    if failure.phase is Phase.TICKET:
        return Layer.PRINCIPAL if failure.fault is Fault.MISNAMED else Layer.TICKET
    if failure.phase is Phase.CONNECT:
        return Layer.HTTP if isinstance(failure.error, HTTPStatusError) else failure.at
    return _of_talk(failure)


def _of_talk(failure: Failure) -> Layer:
    """There is a connection, and somebody who answers or does not."""
    if failure.options.use_ssl and _ALERT.search(failure.text):
        return Layer.TLS  # TLS 1.3 refuses a client's certificate at the first read
    if failure.coordinator.port in _OTHER_PORTS and failure.no_answer:
        return Layer.PROTOCOL
    if failure.phase is Phase.LOGIN:
        return _of_login(failure)
    return _of_session(failure)


def _of_login(failure: Failure) -> Layer:
    kerberos = failure.options.auth_mechanism == "GSSAPI"
    if kerberos and (failure.ended or _GSS in failure.text):
        return Layer.PRINCIPAL
    return Layer.PROTOCOL if failure.fault is Fault.MISMATCH else Layer.LOGIN


def _of_session(failure: Failure) -> Layer:
    if isinstance(failure.error, HTTPStatusError):
        return _of_refusal(failure, failure.error.code)
    if failure.fault is Fault.UNTRUSTED:
        return Layer.LOGIN
    if failure.fault in {Fault.DRAINING, Fault.NOT_READY}:
        return Layer.STATE
    if _NO_SUCH_CALL.search(failure.text):
        return Layer.PROTOCOL
    if failure.fault is Fault.MISMATCH or (failure.options.use_http_transport and failure.ended):
        return Layer.PROTOCOL
    return Layer.SESSION


def _of_refusal(failure: Failure, status: int) -> Layer:
    if _NO_TICKET.search(failure.text) and failure.options.auth_mechanism == "GSSAPI":
        return Layer.PRINCIPAL
    return Layer.LOGIN if status in _LOGIN_WANTED else Layer.HTTP


_DEFAULT_ADVICE = "look at the coordinator's log around this time"


def advice_for(failure: Failure, layer: Layer) -> str:
    """What to do."""
    where, options = failure.coordinator, failure.options
    opening = OpenFailure(where, options, failure.phase, failure.text, layer.value)
    return hint(opening) or _DEFAULT_ADVICE


def diagnosis(failure: Failure) -> Diagnosis:
    """What is wrong, as far as the failure itself shows."""
    layer = layer_of(failure)
    fault = failure.fault.name if failure.fault else ""
    return Diagnosis(layer, failure.plain, advice_for(failure, layer), fault)
