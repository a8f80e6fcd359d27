"""What tests of secured coordinators share: a realm, who comes, and two who ask for tickets."""

from __future__ import annotations

import pytest
from kerberized import BACKENDS, kerberized

from impala_ha.testing import LocalCluster
from real_servers import Realm


@pytest.fixture(scope="session")
def _pair_over_http():
    with LocalCluster(2, http=True) as cluster:
        yield cluster


@pytest.fixture
def over_http(_pair_over_http):
    """Two coordinators that speak HTTP, too; shared, and healed after the test."""
    yield _pair_over_http
    _pair_over_http.heal()
    for coordinator in _pair_over_http:
        coordinator.lose_sessions()


@pytest.fixture(scope="module")
def realm():
    """A realm with two coordinators, the name of a balancer, and the users etl and bob."""
    hosts = ("coord1.test", "coord2.test", "lb.test")
    with Realm(hosts=hosts, users=("etl", "bob")) as realm:
        yield realm


@pytest.fixture
def nobody(realm, monkeypatch, tmp_path):
    """A client of the realm that has no ticket; the file that it would be in."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
    monkeypatch.setenv("no_proxy", "*")
    yield str(cache)
    realm.resume_kdc()
    realm.start_kdc()


@pytest.fixture
def etl(realm, nobody):
    """A client with a ticket."""
    realm.kinit("etl", nobody)
    return nobody


@pytest.fixture(scope="module")
def _one_pair(realm):
    with kerberized(realm, http=True) as cluster:
        yield cluster


@pytest.fixture
def two(_one_pair):
    """Two coordinators that ask for tickets; of the file, and healed after the test."""
    yield _one_pair
    _one_pair.heal()


@pytest.fixture(params=BACKENDS)
def package(request):
    """Each backend that speaks with Kerberos."""
    return request.param


@pytest.fixture(params=["system", "gssapi"])
def by_keytab(request):
    """Each backend that acquires tickets with a keytab."""
    return request.param


@pytest.fixture
def keytab(by_keytab, realm):
    """The options of a client with a keytab."""
    words = {"principal": "etl", "keytab": realm.keytab("etl")}
    return {**words, "kerberos_backend": by_keytab}
