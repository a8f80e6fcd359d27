"""Contexts of TLS: what they verify, what they show, and that they are made once."""

import logging
import os
import ssl
from pathlib import Path

import pytest
import trustme

from impala_ha import Coordinator, errors
from impala_ha.net import tls
from impala_ha.options.options import Options


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No test sees what another one has made or was warned of."""
    monkeypatch.setattr(tls, "_KEPT", {})
    monkeypatch.setattr(tls, "_WARNED", set())


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def pem(tmp_path, authority):
    """Files: the authority, a client's certificate, its key, and both in one."""
    client = authority.issue_cert("etl@example.com")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.private_key_pem.write_to_path(tmp_path / "key.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    return lambda name: str(tmp_path / f"{name}.pem")


def context(**options):
    return tls.context(Options(use_ssl=True, **options))


def test_alone_it_encrypts_and_believes_anybody_as_impyla():
    made = context()

    assert (ssl.CERT_NONE, False) == (made.verify_mode, made.check_hostname)
    assert [] == made.get_ca_certs(), "nothing is loaded that is not looked at"


def test_an_authority_verifies_certificate_and_name(pem):
    made = context(ca_cert=pem("ca"))

    assert (ssl.CERT_REQUIRED, True) == (made.verify_mode, made.check_hostname)
    assert 1 == len(made.get_ca_certs()), "and none of the system's"


def test_so_do_those_of_the_system():
    made = context(verify_cert=True)

    assert (ssl.CERT_REQUIRED, True) == (made.verify_mode, made.check_hostname)


@pytest.mark.parametrize("trust", [{}, {"verify_cert": True}])
def test_nothing_below_tls_1_2_is_spoken(trust):
    assert context(**trust).minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    "files",
    [{"client_cert": "both"}, {"client_cert": "cert", "client_key": "key"}],
    ids=["one file", "two files"],
)
def test_a_client_may_have_a_certificate(files, pem):
    assert context(**{name: pem(file) for name, file in files.items()})


# Files that are not what they should be.


def refused(**options):
    with pytest.raises(errors.ConfigurationError) as caught:
        context(**options)
    return str(caught.value)


def test_an_authority_without_a_certificate_is_reported(pem):
    assert "ca_cert must be a file with certificates in PEM form" in refused(ca_cert=pem("key"))


def test_a_certificate_without_its_key_is_reported(pem):
    told = refused(client_cert=pem("cert"))

    assert told.startswith(f"client_cert={pem('cert')!r}: a certificate and the key that belongs")


def test_a_key_of_another_certificate_is_reported(pem, authority, tmp_path):
    other = tmp_path / "other.pem"
    authority.issue_cert("other").private_key_pem.write_to_path(other)

    told = refused(client_cert=pem("cert"), client_key=str(other))

    assert f"client_key={str(other)!r}" in told
    assert "KEY_VALUES_MISMATCH" in told


def test_a_key_with_a_passphrase_does_not_ask_for_it(pem, tmp_path):
    """OpenSSL would, on the terminal, and a job at night would wait."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    key = form.load_pem_private_key(Path(pem("key")).read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"x")
        )
    )

    told = refused(client_cert=pem("cert"), client_key=str(locked))

    assert "the key is protected by a passphrase" in told


# Made once.


def test_equal_options_share_a_context(pem):
    assert context(ca_cert=pem("ca")) is context(ca_cert=pem("ca"), user="other")
    assert context(ca_cert=pem("ca")) is not context()
    assert context(verify_cert=True) is context(verify_cert=True)


def test_a_file_that_changed_is_read_again(pem, authority):
    old = context(client_cert=pem("both"))
    authority.issue_cert("new").private_key_and_cert_chain_pem.write_to_path(pem("both"))
    os.utime(pem("both"), ns=(1, 1))

    new = context(client_cert=pem("both"))

    assert new is not old
    assert new is context(client_cert=pem("both"))


def test_half_a_renewal_does_not_end_what_worked(pem, caplog):
    """A certificate and its key are two files: between the two writes they do not fit."""
    files = {"client_cert": pem("cert"), "client_key": pem("key")}
    old = context(**files)
    Path(pem("key")).write_text("")

    with caplog.at_level(logging.WARNING, "impala_ha"):
        assert old is context(**files)

    assert "the files of TLS changed, and cannot be used as they are" in caplog.text


def test_a_file_that_is_gone_is_half_a_renewal_too(pem):
    files = {"ca_cert": pem("ca")}
    old = context(**files)
    Path(pem("ca")).unlink()

    assert old is context(**files)


# The warning.

A, B = Coordinator("a"), Coordinator("b")


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if "verifies" in record.getMessage()]


def test_who_is_not_verified_is_warned_of_once_a_cluster(caplog):
    for _ in range(3):
        tls.prepare(Options(use_ssl=True), [A, B])
        tls.prepare(Options(use_ssl=True, user="other"), [B, A])
    tls.prepare(Options(use_ssl=True), [A])

    assert 2 == len(warnings(caplog))
    assert "nobody verifies who answers at a:21050, b:21050" in warnings(caplog)[0]
    assert "give ca_cert=FILE" in warnings(caplog)[0]


def test_who_is_verified_is_not(caplog, pem):
    tls.prepare(Options(use_ssl=True, ca_cert=pem("ca")), [A])
    tls.prepare(Options(use_ssl=True, verify_cert=True), [A])

    assert [] == warnings(caplog)
