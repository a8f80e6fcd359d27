"""Two clients of SASL GSSAPI that sign and encrypt as RFC 4752 says, for thrift_sasl.

One is written with the package `gssapi`, from the text of the RFC.  The other is impyla's, by
pure-sasl and the package `kerberos`, with the two methods mended that impyla has the wrong way
round.
"""

from __future__ import annotations

import struct

import gssapi
from impala.sasl_compat import PureSASLClient
from puresasl import QOP

LAYERS = {"auth": 1, "auth-int": 2, "auth-conf": 4}


class GssapiClient:
    """A client by `gssapi`; what the server offered is in `offered`."""

    def __init__(self, principal, qop="auth", *, authorize_as=b"", mutual=True, creds=None):
        name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
        flags = gssapi.RequirementFlag.integrity | gssapi.RequirementFlag.confidentiality
        if mutual:
            flags |= gssapi.RequirementFlag.mutual_authentication
        self.context = gssapi.SecurityContext(name=name, usage="initiate", flags=flags, creds=creds)
        self.offered = None
        self._qop = qop
        self._authorize_as = authorize_as

    def start(self, mechanism):
        return True, mechanism, self.context.step()

    def step(self, challenge):
        if not self.context.complete:
            return True, self.context.step(challenge) or b""
        offer = self.context.unwrap(challenge).message
        self.offered = (offer[0], int.from_bytes(offer[1:], "big"))
        choice = struct.pack(">I", LAYERS[self._qop] << 24 | 65536) + self._authorize_as
        return True, self.context.wrap(choice, False).message

    def encode(self, data):
        if self._qop == "auth":
            return True, data
        frame = self.context.wrap(data, self._qop == "auth-conf").message
        return True, struct.pack(">I", len(frame)) + frame

    def decode(self, frame):
        return True, self.context.unwrap(frame[4:]).message

    def getError(self):  # noqa: N802  # thrift_sasl's name
        return None


class MendedClient(PureSASLClient):
    """impyla's own, by `kerberos`."""

    def encode(self, incoming):
        if self.qop == QOP.AUTH:
            return True, incoming
        frame = self.wrap(incoming)
        return True, struct.pack(">I", len(frame)) + frame

    def decode(self, outgoing):
        return True, self.unwrap(outgoing[4:])

    @property
    def qop(self):
        return self._chosen_mech.qop


def by_gssapi(coordinator, qop="auth", **more):
    return lambda: GssapiClient(f"impala/{coordinator.kerberos_host}", qop, **more)


def by_kerberos(coordinator, _qop="auth"):
    """It takes the layer that the server offers."""
    return lambda: MendedClient(coordinator.kerberos_host, service="impala")
