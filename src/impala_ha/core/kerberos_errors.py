"""
The errors of the Kerberos library as one class.

Each backend has its own errors: tuples of texts and numbers, or a sentence with numbers in it.
Here they become one class with the last text of the library (the first one is always "unspecified
failure") and the name that MIT gives to the number.  Texts are translated on some machines; names
are not, so the table of faults uses them, and people can search for them.
"""

from __future__ import annotations

import re

#: Minor status codes of MIT's library and of Heimdal's: those of the protocol.
NAMES = {
    -1765328382: "KRB5KDC_ERR_SERVICE_EXP",
    -1765328378: "KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN",
    -1765328377: "KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN",
    -1765328370: "KRB5KDC_ERR_ETYPE_NOSUPP",
    -1765328366: "KRB5KDC_ERR_CLIENT_REVOKED",
    -1765328365: "KRB5KDC_ERR_SERVICE_REVOKED",
    -1765328361: "KRB5KDC_ERR_KEY_EXP",
    -1765328360: "KRB5KDC_ERR_PREAUTH_FAILED",
    -1765328355: "KRB5KDC_ERR_SVC_UNAVAILABLE",
    -1765328353: "KRB5KRB_AP_ERR_BAD_INTEGRITY",
    -1765328352: "KRB5KRB_AP_ERR_TKT_EXPIRED",
    -1765328351: "KRB5KRB_AP_ERR_TKT_NYV",
    -1765328347: "KRB5KRB_AP_ERR_SKEW",
    -1765328344: "KRB5KRB_AP_ERR_MSG_TYPE",
    -1765328324: "KRB5KRB_ERR_GENERIC",
    -1765328243: "KRB5_CC_NOTFOUND",
    -1765328230: "KRB5_REALM_UNKNOWN",
    -1765328228: "KRB5_KDC_UNREACH",
    -1765328203: "KRB5_KT_NOTFOUND",
    -1765328189: "KRB5_FCC_NOFILE",
    -1765328164: "KRB5_REALM_CANT_RESOLVE",
    **dict.fromkeys(range(1859794432, 1859794448), "ASN1"),
}
#: Failures of the KDC, which are not the client's and may pass.
NO_KDC = (
    "KRB5_KDC_UNREACH",
    "KRB5_REALM_CANT_RESOLVE",
    "KRB5KDC_ERR_SVC_UNAVAILABLE",
    "KRB5KRB_ERR_GENERIC",
    "KRB5KRB_AP_ERR_MSG_TYPE",  # these two: what answers is no KDC
    "ASN1",
)
#: Major status codes of the GSSAPI, where there is no minor status.
_MAJOR = {
    7 << 16: "GSS_S_NO_CRED",
    11 << 16: "GSS_S_CREDENTIALS_EXPIRED",
    12 << 16: "GSS_S_CONTEXT_EXPIRED",
}
#: The ticket has expired, perhaps in the middle of a login.
EXPIRED = ("KRB5KRB_AP_ERR_TKT_EXPIRED", "GSS_S_CREDENTIALS_EXPIRED", "GSS_S_CONTEXT_EXPIRED")


class GSSError(Exception):
    """
    An error of the Kerberos library; named as in the packages.

    Attributes:
        name: The name of the reason in MIT's headers; a number where it is not in the table.
    """

    def __init__(self, text: str, name: str = ""):
        super().__init__(text)
        self.name = name


class PrincipalMismatch(GSSError):
    """The ticket is of another principal than the one that opened the connection."""


def server_unproven(why: object, name: str = "") -> GSSError:
    """The error for a server that does not prove its identity."""
    if name in EXPIRED:
        return GSSError(str(why), name)
    return GSSError(f"the server did not prove who it is: {why}", name)


def to_gss_error(error: Exception, while_: str) -> GSSError:
    """
    The `GSSError` for *error*, an exception of one of the backends.

    Args:
        error: The exception.
        while_: What was being done; a part of the text.
    """
    (major_text, major), (minor_text, minor) = _statuses(error)
    name = NAMES.get(minor) or _MAJOR.get(major) or f"minor status {minor}"
    # A ticket that expires at this moment has "Success" as its minor status.
    known = minor in NAMES or major not in _MAJOR
    text = minor_text if minor and known else major_text
    return GSSError(f"{text} ({name}), {while_}", name)


def timeout_error(seconds: float, while_: str) -> GSSError:
    """The error for a Kerberos library that takes longer than *seconds*."""
    name = "KRB5_KDC_UNREACH"
    text = f"no answer from the Kerberos library or the KDC within {seconds:.3g} s"
    return GSSError(f"{text} ({name}), {while_}", name)


def _statuses(error: Exception) -> tuple[tuple[str, int], tuple[str, int]]:
    """Major and minor status, each as text and number."""
    if hasattr(error, "min_code"):  # gssapi
        parts = re.fullmatch(
            r"Major \(\d+\): (.*), Minor \(\d+\): (.*)", str(error), re.DOTALL
        ) or ("", str(error), str(error))
        return (parts[1], error.maj_code), (parts[2], _signed(error.min_code))  # type: ignore[attr-defined]
    try:  # kerberos
        (major_text, major), (minor_text, minor) = error.args
    except (TypeError, ValueError):
        return (str(error), 0), (str(error), 0)
    return (str(major_text), int(major)), (str(minor_text), int(minor))


def _signed(code: int) -> int:
    """A status of gssapi, which reads its 32 bits as an unsigned number, as a signed one."""
    return code - 2**32 if code >= 2**31 else code
