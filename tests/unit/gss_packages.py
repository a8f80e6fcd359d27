"""
The two Kerberos packages in memory, as far as they are used: a toy that asks no KDC.

The contract tests do the same with the real ones and a real KDC.  A token says what it is; what is
wrapped is turned round, with a letter before it that says how it is protected.
"""

import base64
from enum import IntFlag
from functools import partial
from types import SimpleNamespace

NO_TICKET = ("No Kerberos credentials available", -1765328243)
UNSPECIFIED = ("Unspecified GSS failure.  Minor code may provide more information", 851968)


class Realm:
    """
    What both packages know.

    Attributes:
        tickets: Principals with a ticket in the default cache.
        keytabs: Principals by the path of their keytab.
        refusals: (text, minor status) of the next calls that would have asked the KDC.
        asked: Service, client and cache of each token.
    """

    def __init__(self):
        self.tickets = ["etl"]
        self.keytabs = {}
        self.refusals = []
        self.asked = []

    def token(self, service, client, cache=None):
        if self.refusals:
            return self.refusals.pop(0)
        if cache is None and (client or "etl") not in self.tickets:
            return NO_TICKET
        self.asked.append((service, client, cache))
        return f"hello {service}".encode()


def wrapped(data, encrypt):
    return (b"E" if encrypt else b"S") + data[::-1]


class KrbError(Exception):
    """The package's base class."""


class GSSError(KrbError):
    """As in the package: two pairs of text and number."""


class Kerberos:
    """The functions of the package `kerberos`."""

    def __init__(self, realm):
        self.realm = realm

    def init(self, service, gssflags, principal=None):
        if principal and principal not in self.realm.tickets:
            raise GSSError(UNSPECIFIED, NO_TICKET)
        assert gssflags == 0b1111
        return 1, SimpleNamespace(
            service=service, client=principal, response=None, conf=0, user=None
        )

    def step(self, context, challenge):
        token = base64.b64decode(challenge)
        if token == b"welcome":
            context.response, context.user = None, context.client or "etl"
            return 1
        if token:
            raise GSSError(UNSPECIFIED, ("Message stream modified", -1765328343))
        made = self.realm.token(context.service, context.client)
        if isinstance(made, tuple):
            raise GSSError(UNSPECIFIED, made)
        context.response = made
        return 0

    def inquire(self, context):
        context.user = context.client or self.realm.tickets[0]

    def wrap(self, context, data, user, protect):
        context.response = wrapped(base64.b64decode(data), protect)
        return 1

    def unwrap(self, context, data):
        kind, *rest = base64.b64decode(data)
        if chr(kind) not in "ES":
            raise GSSError(UNSPECIFIED, ("Token header is malformed", -2045022964))
        context.response, context.conf = bytes(rest)[::-1], int(chr(kind) == "E")
        return 1

    def response(self, context):
        return context.response and base64.b64encode(context.response).decode()


def kerberos(realm):
    """The package `kerberos`."""
    package = Kerberos(realm)
    return SimpleNamespace(
        KrbError=KrbError,
        GSS_C_MUTUAL_FLAG=1,
        GSS_C_SEQUENCE_FLAG=2,
        GSS_C_INTEG_FLAG=4,
        GSS_C_CONF_FLAG=8,
        AUTH_GSS_COMPLETE=1,
        authGSSClientInit=package.init,
        authGSSClientStep=package.step,
        authGSSClientWrap=package.wrap,
        authGSSClientUnwrap=package.unwrap,
        authGSSClientResponse=package.response,
        authGSSClientResponseConf=lambda context: context.conf,
        authGSSClientInquireCred=package.inquire,
        authGSSClientUserName=lambda context: context.user,
    )


class GssapiError(Exception):
    """As in the package: unsigned numbers, and a sentence with them."""

    def __init__(self, text, minor):
        self.maj_code, self.min_code = UNSPECIFIED[1], minor % 2**32
        said = f"Major ({self.maj_code}): {UNSPECIFIED[0]}, Minor ({self.min_code}): {text}"
        super().__init__(said)


class Flag(IntFlag):
    mutual_authentication = 1
    out_of_sequence_detection = 2
    integrity = 4
    confidentiality = 8


class Credentials:
    """Of a principal, in a cache."""

    def __init__(self, realm, name=None, *, usage, mechs, store=None):
        self.client, self.cache = name, store and store["ccache"]
        self.name = name or next(iter(realm.tickets), "etl")
        if store is None and self.name not in realm.tickets:
            raise GssapiError(*NO_TICKET)
        if store:
            keytab = store["client_keytab"].removeprefix("FILE:")
            if name not in {None, realm.keytabs.get(keytab)}:
                raise GssapiError("No credentials cache found", -1765328189)


class SecurityContext:
    """With one service."""

    def __init__(self, realm, *, name, creds, mech, usage, flags):
        assert (mech, usage, int(flags)) == ("krb5", "initiate", 0b1111)
        self.realm, self.service, self.creds, self.complete = realm, name, creds, False
        self.actual_flags = flags
        self.initiator_name = (creds and creds.client) or "etl"

    def step(self, token=None):
        if token == b"welcome":
            self.complete = True
            return None
        if token:
            raise GssapiError("Message stream modified", -1765328343)
        who = (self.creds.client, self.creds.cache) if self.creds else (None,)
        made = self.realm.token(self.service, *who)
        if isinstance(made, tuple):
            raise GssapiError(*made)
        return made

    def wrap(self, data, encrypt):
        return SimpleNamespace(message=wrapped(data, encrypt))

    def unwrap(self, data):
        if data[:1] not in {b"E", b"S"}:
            raise GssapiError("Token header is malformed", -2045022964)
        return SimpleNamespace(message=data[:0:-1], encrypted=data[:1] == b"E")


def gssapi(realm):
    """The package `gssapi`."""
    return SimpleNamespace(
        Name=lambda text, kind: text,
        NameType=SimpleNamespace(hostbased_service="service", kerberos_principal="principal"),
        MechType=SimpleNamespace(kerberos="krb5"),
        RequirementFlag=Flag,
        Credentials=partial(Credentials, realm),
        SecurityContext=partial(SecurityContext, realm),
        exceptions=SimpleNamespace(GSSError=GssapiError),
    )
