"""SASL's GSSAPI (RFC 4752) over a context in memory: what is offered, taken, wrapped and refused."""

import struct

import pytest

from impala_ha.auth.gss_sasl import Sasl
from impala_ha.core.kerberos_errors import GSSError

AUTH, INT, CONF = 1, 2, 4


class Turned:
    """Protects by turning round; complete after one step."""

    complete = False

    def step(self, token):
        self.complete = True
        return b"reply to " + token

    def wrap(self, data, *, encrypt):
        if data == b"break":
            raise GSSError("broken")
        return (b"E" if encrypt else b"S") + data[::-1]

    def unwrap(self, data):
        if data[:1] not in (b"E", b"S"):
            raise GSSError("Token header is malformed")
        return data[:0:-1], data[:1] == b"E"


def offer(layers, most=65536):
    return Turned().wrap(struct.pack(">I", layers << 24 | most), encrypt=False)


def negotiated(layers, most=65536):
    sasl = Sasl(Turned(), b"first")
    assert (True, "GSSAPI", b"first") == sasl.start("GSSAPI")
    assert (True, b"reply to challenge") == sasl.step(b"challenge")
    well, answer = sasl.step(offer(layers, most))
    assert well
    return sasl, struct.unpack(">I", Turned().unwrap(answer)[0])[0]


@pytest.mark.parametrize(
    ("layers", "taken", "name"),
    [
        (AUTH, AUTH, "auth"),
        (AUTH | INT, INT, "auth-int"),
        (AUTH | INT | CONF, CONF, "auth-conf"),
        (CONF, CONF, "auth-conf"),
    ],
)
def test_the_strongest_protection_on_offer_is_taken(layers, taken, name):
    sasl, answer = negotiated(layers)

    assert (taken, 0xFFFFFF) == (answer >> 24, answer & 0xFFFFFF)
    assert name == sasl.qop


def test_nothing_is_protected_before_it_was_negotiated_nor_with_auth():
    sasl = Sasl(Turned(), b"")
    assert ("", (True, b"abc")) == (sasl.qop, sasl.encode(b"abc"))

    sasl, _ = negotiated(AUTH)
    assert (True, b"abc") == sasl.encode(b"abc")


def test_a_challenge_without_bytes_comes_as_text():
    """thrift_sasl has it so."""
    assert (True, b"reply to ") == Sasl(Turned(), b"").step("")


@pytest.mark.parametrize(("layers", "letter"), [(INT, b"S"), (CONF, b"E")])
def test_each_piece_has_its_length_before_it(layers, letter):
    sasl, _ = negotiated(layers)

    assert (True, b"\0\0\0\4" + letter + b"cba") == sasl.encode(b"abc")
    assert (True, b"abc") == sasl.decode(b"\0\0\0\4" + letter + b"cba")


def test_what_is_longer_than_the_server_takes_goes_in_pieces():
    sasl, _ = negotiated(INT, most=3024)

    _, sent = sasl.encode(b"a" * 2000 + b"b" * 500)

    assert b"\0\0\7\xd1S" + b"a" * 2000 + b"\0\0\1\xf5S" + b"b" * 500 == sent


def test_what_cannot_be_wrapped_or_unwrapped_is_reported_as_thrift_sasl_wants_it():
    sasl, _ = negotiated(INT)

    assert ((False, None), "broken") == (sasl.encode(b"break"), sasl.getError())
    assert (False, None) == sasl.decode(b"\0\0\0\1?")
    assert "Token header is malformed" == sasl.getError()


def test_a_login_that_ends_before_the_proof_or_the_protection_is_refused():
    sasl = Sasl(Turned(), b"")
    with pytest.raises(GSSError, match="without a token of its own"):
        sasl.verify()
    sasl.step(b"challenge")
    with pytest.raises(GSSError, match="before the protection was agreed on"):
        sasl.verify()
    sasl.step(offer(AUTH))
    sasl.verify()
    with pytest.raises(GSSError, match="goes on with the login after its end"):
        sasl.step(offer(AUTH))


def test_what_is_wrong_with_a_token_is_reported_as_a_missing_proof():
    sasl = Sasl(Turned(), b"")
    sasl.step(b"challenge")

    with pytest.raises(GSSError, match="did not prove who it is: Token header is malformed"):
        sasl.step(b"?")


def test_what_was_to_be_encrypted_is_not_taken_in_the_clear():
    sasl, _ = negotiated(CONF)

    assert (False, None) == sasl.decode(b"\0\0\0\4Scba")
    assert "in the clear" in sasl.getError()


@pytest.mark.parametrize(
    ("wrapped", "text"),
    [(b"Sabc", "in 3 bytes instead of 4"), (offer(8), "no protection that is known, but 8")],
)
def test_an_offer_that_makes_no_sense_is_refused(wrapped, text):
    sasl = Sasl(Turned(), b"")
    sasl.step(b"challenge")

    with pytest.raises(GSSError, match=text):
        sasl.step(wrapped)
