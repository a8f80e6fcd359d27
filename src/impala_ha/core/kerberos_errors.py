"""
What the Kerberos library says, in one form.

Each backend has errors of its own: tuples of texts and numbers, or a sentence with numbers in it.
Here they become one class whose text is what the library said last (the first part is always
"unspecified failure"), with the name that MIT gives to the number.  Texts are translated on some
machines; names are not, so the table of faults goes by them, and people can search for them.
"""

from __future__ import annotations

import re

#: Minor status codes of MIT's library, and of Heimdal's: they are those of the protocol.
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
#: What speaks of the KDC and not of who asks it, and may pass.
NO_KDC = (
    "KRB5_KDC_UNREACH",
    "KRB5_REALM_CANT_RESOLVE",
    "KRB5KDC_ERR_SVC_UNAVAILABLE",
    "KRB5KRB_ERR_GENERIC",
    "KRB5KRB_AP_ERR_MSG_TYPE",  # of these two, what answers is no KDC
    "ASN1",
)
#: The same said by the GSSAPI itself, where there is no minor status.
_MAJOR = {
    7 << 16: "GSS_S_NO_CRED",
    11 << 16: "GSS_S_CREDENTIALS_EXPIRED",
    12 << 16: "GSS_S_CONTEXT_EXPIRED",
}
#: What is said of a ticket that has ended, in the middle of a login perhaps.
ENDED = ("KRB5KRB_AP_ERR_TKT_EXPIRED", "GSS_S_CREDENTIALS_EXPIRED", "GSS_S_CONTEXT_EXPIRED")


class GSSError(Exception):
    """
    A refusal of the Kerberos library; called as the packages call theirs.

    Attributes:
        name: Of the reason, as MIT's headers have it; a number where we do not know it.
    """

    def __init__(self, text: str, name: str = ""):
        super().__init__(text)
        self.name = name


class PrincipalMismatch(GSSError):
    """The ticket is not that of the user whom a connection was opened as."""


def unproven(why: object, name: str = "") -> GSSError:
    """The refusal of a server that does not prove who it is, in our words or the library's."""
    if name in ENDED:
        return GSSError(str(why), name)
    return GSSError(f"the server did not prove who it is: {why}", name)


def told(error: Exception, while_: str) -> GSSError:
    """
    What *error*, of either package, says.

    Args:
        error: As it was raised.
        while_: What was being done, which goes into the text.
    """
    (major_text, major), (minor_text, minor) = _statuses(error)
    name = NAMES.get(minor) or _MAJOR.get(major) or f"minor status {minor}"
    # A ticket that ends in this very moment is told as a minor "Success".
    known = minor in NAMES or major not in _MAJOR
    text = minor_text if minor and known else major_text
    return GSSError(f"{text} ({name}), {while_}", name)


def late(seconds: float, while_: str) -> GSSError:
    """The refusal that we make ourselves when the library takes longer than *seconds*."""
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
    """Of the 32 bits that a status has, gssapi takes the first for a digit."""
    return code - 2**32 if code >= 2**31 else code
