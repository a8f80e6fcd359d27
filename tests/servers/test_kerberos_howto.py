"""docs/kerberos.md, followed to the letter: an MIT realm, coordinators that ask for tickets, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from pages import CACHE, DOCS, HOME, PASSWORD, ROOT, Reader, alike, blocks, packages

import impala_ha
from impala_ha.auth import gss_library
from impala_ha.testing import LocalCluster
from real_servers import Realm, missing

LACKS = missing("realm", "gssapi")
pytestmark = [
    pytest.mark.slow(60),
    pytest.mark.servers,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(LACKS), reason=LACKS),
]

PAGE = DOCS / "kerberos.md"
COORDINATORS = ("coord1.example.com", "coord2.example.com")


@pytest.fixture(scope="module")
def realm():
    """The page's: a person with a password, a job with a keytab, a cluster behind a balancer."""
    hosts = (*COORDINATORS, "impala.example.com")
    with Realm(hosts, users=("etl",), name="EXAMPLE.COM") as realm:
        administer(realm, f'addprinc -pw "{PASSWORD}" ann')
        yield realm


def administer(realm, order):
    """Do at the KDC what no client can."""
    program, environment = realm._realm.kadmin_local, realm._realm.env
    subprocess.run([program, "-q", order], env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def clusters(realm, certificates):
    """By what the page says that a block needs."""
    secured = {"auth": "GSSAPI", "keytab": realm.server_keytab, "krb5_config": realm.config}
    own = {**secured, "principals": "impala/coord{}.example.com"}
    with ExitStack() as stack:

        def start(**plan):
            return stack.enter_context(LocalCluster(2, **plan))

        yield {
            "own": start(**own, http=True),
            "balanced": start(**secured, principals="impala/impala.example.com"),
            "tls": start(**own, tls=[certificates.of(name) for name in COORDINATORS]),
            "ldap": start(auth="LDAP", users={"ann": PASSWORD}),
        }


@pytest.fixture(scope="module")
def places(clusters):
    def at(names, cluster, over_http=False):
        found = {}
        for number, coordinator in enumerate(cluster, 1):
            port, behind = (28000, "http_port") if over_http else (21050, "port")
            for name in names:
                where = (coordinator.host, getattr(coordinator, behind))
                found[f"{name.format(number)}:{port}"] = where
        return found

    names = ("coord{}.example.com", "coord{}", "10.0.0.{}")
    usual = {
        **at(names, clusters["own"]),
        **at(names, clusters["own"], over_http=True),
        **at(("node{}.example.com",), clusters["balanced"]),
        **at(("ldap{}.example.com",), clusters["ldap"]),
        "10.0.0.1": "coord1.example.com",
        "10.0.0.2": "coord2.example.com",
    }
    return {"": usual, "a-realm-with-tls": at(names, clusters["tls"])}


@pytest.fixture(scope="module")
def reader(tmp_path_factory, realm, certificates, places):
    """Ann, on a machine where Debian's packages are and nothing else."""
    words = {"kdc.example.com": f"127.0.0.1:{realm.port}"}
    ann = Reader(tmp_path_factory.mktemp("ann"), places, words)
    # What the administrators sent her.
    (ann.home / "Downloads").mkdir()
    shutil.copy(realm.keytab("etl"), ann.home / "Downloads" / "etl.keytab")
    shutil.copy(certificates.ca, ann.home / "example-ca.pem")
    return ann


@pytest.fixture(scope="module")
def this_version(tmp_path_factory):
    """Lets pip take impala-ha from the checkout, wherever the index may have one."""
    wheels = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip"]
    built = subprocess.run(
        [*pip, "wheel", "-q", "--no-deps", "-w", wheels, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"pip cannot build the package here: {built.stderr.strip()[-500:]}")
    constraint = wheels / "constraint"
    constraint.write_text(f"impala-ha=={impala_ha.__version__}\n")
    cache = subprocess.run(
        [*pip, "cache", "dir"], capture_output=True, text=True, check=False
    ).stdout.strip()
    links = f"{wheels} {os.environ.get('PIP_FIND_LINKS', '')}"
    return {
        "PIP_FIND_LINKS": links.strip(),
        "PIP_CONSTRAINT": str(constraint),
        "PIP_CACHE_DIR": cache,
    }


def steps():
    """What is to be done, and what is only looked at when it goes wrong."""
    found = list(blocks(PAGE))
    trouble = [block.line for block in found if block.kind == "text"]
    return [block for block in found if block.line < min(trouble)]


def test_the_page_leads_to_a_connection_word_by_word(reader, this_version):
    reader.environment |= this_version
    printed = ""
    for block in steps():
        if block.needs != "root":
            try:
                printed += reader.follow(block)
            except AssertionError as error:
                pytest.fail(f"{PAGE.name}:{block.line}: {block.text}\n{error}")

    assert "Getting credentials ann@EXAMPLE.COM -> impala/coord1.example.com" in printed
    assert "etl@EXAMPLE.COM" in (reader.home / "nightly.tsv").read_text()


def test_the_page_runs_all_that_it_shows():
    assert {"sh", "console", "python", "crontab", "text"} == {block.kind for block in blocks(PAGE)}
    assert {"", "root", "a-realm", "a-realm-with-tls"} == {block.needs for block in blocks(PAGE)}


@pytest.mark.skipif(not shutil.which("apt-cache"), reason="this is no Debian or Ubuntu")
def test_the_packages_of_the_page_are_debians_and_have_the_library_among_them():
    (named,) = [packages(block.text) for block in steps() if block.needs == "root"]

    asked = subprocess.run(
        ["apt-cache", "show", *named], capture_output=True, text=True, check=False
    )

    assert 0 == asked.returncode, asked.stderr
    assert re.search(r"apt install ([^`]+)`", gss_library.PACKAGES)[1] in named


class Trouble:
    """A client of the realm with a ticket, and with whatever goes wrong then."""

    def __init__(self, realm, reader, cache):
        self.realm, self.reader, self.cache = realm, reader, cache
        self.environment = {**os.environ, **realm.environment, "KRB5CCNAME": f"FILE:{cache}"}
        realm.kinit("etl", str(cache))

    def told(self, host="coord1.example.com", before="", needs="", **options):
        """Connect in a process of its own: the error, in the words of the page."""
        words = {"auth_mechanism": "GSSAPI", "deadline": 0.01, **options}
        program = f"import impala_ha, sys\n{before}\nimpala_ha.connect({host!r}, **{words!r})"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**self.environment, **self.reader.names(needs)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 0 != done.returncode, "it went well"
        return done.stderr.replace(str(self.cache), CACHE).replace(str(self.reader.home), HOME)

    def no_ticket(self):
        self.cache.unlink()
        return self.told()

    def for_another_only(self):
        keys = ["-k", "-t", self.realm.keytab("etl"), "-c", str(self.cache)]
        words = ["kinit", *keys, "-S", "impala/coord1.example.com", "etl"]
        subprocess.run(words, env=self.environment, timeout=30, check=True)
        return self.told("coord2.example.com")

    def ended(self):
        self.realm.kinit("etl", str(self.cache), lifetime=1)
        look = "while kvno -q impala/coord1.example.com 2>/dev/null; do sleep 0.05; done"
        subprocess.run(["/bin/sh", "-c", look], env=self.environment, timeout=30, check=True)
        return self.told()

    def wrong_clock(self):
        self.realm.set_clock(3600, str(self.cache))
        return self.told()

    def stopped(self):
        self.realm.stop_kdc()
        return self.told()

    def hung(self):
        self.realm.hang_kdc()
        return self.told(connect_timeout=2)

    def no_configuration(self):
        self.environment["KRB5_CONFIG"] = "/dev/null"
        return self.told()

    def misnamed(self):
        return self.told("coord1")

    def refused(self):
        return self.told("node1.example.com", krb_host="coord1.example.com")

    def unproven(self):
        with socket.create_server(("127.85.0.2", 0)) as imposter:
            threading.Thread(target=_says_complete, args=(imposter,)).start()
            host = "{}:{}".format(*imposter.getsockname())
            return self.told(host, krb_host="coord1.example.com", deadline=5)

    def changed(self):
        old = self.cache.with_name("old.keytab")
        shutil.copy(self.realm.keytab("etl"), old)
        administer(self.realm, "cpw -randkey etl")
        try:
            return self.told(principal="etl", keytab=str(old))
        finally:
            Path(self.realm.keytab("etl")).unlink()
            administer(self.realm, f"ktadd -k {self.realm.keytab('etl')} etl")

    def not_in_it(self):
        keytab = self.reader.home / "etl.keytab"
        shutil.copy(self.realm.keytab("etl"), keytab)
        return self.told(principal="ann", keytab=str(keytab))

    def not_offered(self):
        return self.told("ldap1.example.com", krb_host="coord1.example.com")

    def not_said(self):
        return self.told(auth_mechanism="NOSASL")

    def no_library(self):
        nowhere = "from impala_ha.auth import gss_library; gss_library.FILE = 'libgssapi_krb5.so.0'"
        packages = "sys.modules.update(kerberos=None, gssapi=None)"
        return self.told(before=f"{nowhere}; {packages}").replace(".so.0", ".so.2")


def _says_complete(imposter):
    client, _ = imposter.accept()
    with client, suppress(ConnectionError):
        heard = b""
        while b"impala" not in heard:  # in the ticket is whom it is for
            heard += client.recv(65536)
        client.sendall(b"\5\0\0\0\0")
        client.recv(65536)


TROUBLES = {
    "No ticket": Trouble.no_ticket,
    "A ticket for another service only": Trouble.for_another_only,
    "The ticket has ended": Trouble.ended,
    "The clocks differ": Trouble.wrong_clock,
    "The KDC cannot be reached": Trouble.stopped,
    "The KDC does not answer": Trouble.hung,
    "The realm is unknown": Trouble.no_configuration,
    "The coordinator's name is unknown": Trouble.misnamed,
    "The coordinator hangs up": Trouble.refused,
    "The server proves nothing": Trouble.unproven,
    "The key has changed": Trouble.changed,
    "Not in the keytab": Trouble.not_in_it,
    "Kerberos at a cluster that has none": Trouble.not_offered,
    "No Kerberos at a cluster that wants it": Trouble.not_said,
    "The library is missing": Trouble.no_library,
}


@pytest.fixture
def trouble(realm, reader, tmp_path):
    yield Trouble(realm, reader, tmp_path / "cache")
    realm.resume_kdc()
    realm.start_kdc()


def shown_under(heading):
    (shown,) = [b.text for b in blocks(PAGE) if b.kind == "text" and b.heading == heading]
    return shown.splitlines()


@pytest.mark.parametrize("heading", TROUBLES)
def test_an_error_of_the_page_is_reported_in_these_words(trouble, heading):
    told = alike(TROUBLES[heading](trouble))

    for line in shown_under(heading):
        assert alike(line) in told


def test_who_forgets_tls_is_told(trouble):
    told = trouble.told(needs="a-realm-with-tls", deadline=30)

    assert "Hint: the port speaks TLS: use_ssl=True." in told


def test_every_error_of_the_page_is_provoked():
    assert list(TROUBLES) == [block.heading for block in blocks(PAGE) if block.kind == "text"]
