"""`impala-ha doctor` tells what is wrong with a certificate, as a process of its own."""

import json
import os
import ssl
import subprocess
import sysconfig
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from imposter import Imposter

pytest.importorskip("cryptography")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

pytestmark = pytest.mark.servers

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-ha"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("IMPALA_")}
HERE = "127.93.0.7"
LIMIT = 120  # seconds for a process that examines all of them
TODAY = datetime.now(timezone.utc)
STRONG, ALSO_STRONG = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
WEAK = rsa.generate_private_key(65537, 1024)


def named(name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def certificate(name, key, by, *, names=(HERE,), days=(-20, 20)):
    """
    Of *name* and *key*, signed by the name and key *by*.

    Without *names* it is that of an authority, and so it is where *names* is None.
    """
    issuer, authority = by
    built = (
        x509.CertificateBuilder(
            issuer_name=named(issuer),
            subject_name=named(name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=TODAY + timedelta(days=days[0]),
            not_valid_after=TODAY + timedelta(days=days[1]),
        )
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
    )
    if names:
        alternatives = [
            x509.IPAddress(ip_address(each)) if each[0].isdigit() else x509.DNSName(each)
            for each in names
        ]
        built = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return built.sign(authority, hashes.SHA256())


ROOT = ("root.test", STRONG)
AUTHORITY = certificate("root.test", STRONG, ROOT, names=None)
WEAK_AUTHORITY = certificate("weak.test", WEAK, ("weak.test", WEAK), names=None)
BETWEEN = certificate("between.test", ALSO_STRONG, ROOT, names=None)
BETWEEN_ENDED = certificate("between.test", ALSO_STRONG, ROOT, names=None, days=(-20, -1))
BY_BETWEEN = ("between.test", ALSO_STRONG)


def of(key, *more, by=ROOT, **how):
    """The key, and the chain that a server shows."""
    return [key, certificate("coord.test", key, by, **how), *more]


#: What a server shows; what is told of it; what to do.
KINDS = {
    "good": (of(STRONG), None, None),
    "with the one between": (of(STRONG, BETWEEN, by=BY_BETWEEN), None, None),
    "without the one between": (
        of(STRONG, by=BY_BETWEEN),
        "unable to get local issuer certificate",
        "leaves out the intermediate certificate",
    ),
    "a key of 1024 bits": (of(WEAK), "key too weak", "RSA with 2048 bits or more"),
    "an authority of 1024 bits": (
        of(STRONG, WEAK_AUTHORITY, by=("weak.test", WEAK)),
        "key too weak",
        "RSA with 2048 bits or more",
    ),
    "another name": (of(STRONG, names=["other.test"]), "IP address mismatch", "other names"),
    "a common name alone": (of(STRONG, names=[]), "IP address mismatch", "common name does not"),
    "ended": (of(STRONG, days=(-20, -1)), "has expired", "is to be renewed"),
    "the one between ended": (
        of(STRONG, BETWEEN_ENDED, by=BY_BETWEEN),
        "has expired",
        "or another of its chain",
    ),
    "not yet": (of(STRONG, days=(5, 20)), "is not yet valid", "clock of this machine"),
    "self-signed": (of(WEAK, by=("coord.test", WEAK)), "key too weak", "2048 bits"),
    "self-signed and strong": (
        of(ALSO_STRONG, by=("coord.test", ALSO_STRONG)),
        "self-signed certificate",
        "ca_cert=FILE names the CA",
    ),
}


def written(path, *things):
    """A file with keys and certificates."""
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    parts = [
        thing.public_bytes(pem)
        if isinstance(thing, x509.Certificate)
        else thing.private_bytes(pem, *plain)
        for thing in things
    ]
    path.write_bytes(b"".join(parts))
    return str(path)


def server(chain):
    """Its TLS, however weak the keys are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_cert_chain(chain)
    return context


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the doctor says of each kind, by one run."""
    folder = tmp_path_factory.mktemp("certificates")
    trusted = written(folder / "ca.pem", AUTHORITY, WEAK_AUTHORITY)
    with ExitStack() as stack:
        hosts = {}
        for number, (kind, (chain, *_)) in enumerate(KINDS.items()):
            context = server(written(folder / f"{number}.pem", *chain))
            silent = Imposter(lambda _, client: client.close(), context, address=HERE)
            hosts[kind] = str(stack.enter_context(silent).where)
        done = subprocess.run(
            [
                PROGRAM,
                *("doctor", "--json", "--web_port", "0", "--ssl", "--ca_cert", trusted),
                *("-i", ",".join(hosts.values())),
            ],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert 1 == done.returncode, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(hosts, reports, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_is_not_good_is_told_with_what_to_do(told, kind):
    _, problem, advice = KINDS[kind]
    report = told[kind]
    if problem is None:
        assert "session" == report["layer"], "TLS is well, and then nobody answers"
        return

    assert ("tls", "UNTRUSTED") == (report["layer"], report["fault"])
    assert problem in report["problem"]
    assert advice in report["advice"]


def test_a_common_name_is_shown_as_one(told):
    (tls,) = [step for step in told["a common name alone"]["steps"] if step["layer"] == "tls"]

    assert "no name but its common one, coord.test" in tls["text"]
