"""Certificates of the private authority are what TLS takes them for."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from real_servers import Certificates


def shake_hands(client, server, name):
    """Let two contexts meet; return what the server sees of the client."""
    ours, theirs = socket.socketpair()
    seen = []

    def serve():
        try:
            with server.wrap_socket(theirs, server_side=True) as stream:
                stream.recv(1)
                seen.append(stream.getpeercert())
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as stream:
            stream.sendall(b"x")
    finally:
        ours.close()
        thread.join()
    return seen[0] if seen else None


@pytest.mark.parametrize("name", ["coord1.test", "127.0.0.2"])
def test_a_client_that_trusts_the_authority_takes_names_and_addresses(certificates, name):
    server = certificates.context(certificates.of("coord1.test", "127.0.0.2"))

    shake_hands(ssl.create_default_context(cafile=certificates.ca), server, name)


@pytest.mark.parametrize(
    ("name", "expired", "text"),
    [
        ("coord2.test", False, "Hostname mismatch"),
        ("127.0.0.3", False, "IP address mismatch"),
        ("coord1.test", True, "certificate has expired"),
    ],
)
def test_a_wrong_name_and_an_old_certificate_are_reported(certificates, name, expired, text):
    server = certificates.context(certificates.of("coord1.test", expired=expired))

    with pytest.raises(ssl.SSLCertVerificationError, match=text):
        shake_hands(ssl.create_default_context(cafile=certificates.ca), server, name)


def test_another_authority_is_not_trusted(certificates):
    server = certificates.context(certificates.of("coord1.test"))

    with Certificates() as others:
        client = ssl.create_default_context(cafile=others.ca)
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            shake_hands(client, server, "coord1.test")


def test_a_client_may_show_who_it_is(certificates):
    server = certificates.context(certificates.of("coord1.test"))
    server.load_verify_locations(certificates.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=certificates.ca)
    client.load_cert_chain(certificates.client("etl"))

    seen = shake_hands(client, server, "coord1.test")

    assert (("commonName", "etl"),) in seen["subject"]


def test_the_keys_are_for_their_owner_only_and_gone_at_the_end():
    with Certificates() as certificates:
        pem = Path(certificates.of("coord1.test"))
        assert pem.stat().st_mode & 0o077 == 0

    assert not pem.exists()
