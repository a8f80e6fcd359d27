"""`dns://` and `srv://` with a name server that others wrote, by clients that ask it alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster
from real_servers import NameServer, missing

lacks = missing("names", "dns")
pytestmark = [
    pytest.mark.slow(15),
    pytest.mark.servers,
    pytest.mark.skipif(bool(lacks), reason=lacks),
]

NAME, SERVICE = "impala.example.test", "_impala._tcp.example.test"
SOON = "refresh=0.05"  # seconds


@pytest.fixture(scope="module")
def names():
    with NameServer("127.26.0.53") as server:
        yield server


class Client:
    """A client that asks a name server of ours."""

    def __init__(self, process):
        self._process = process

    def __getattr__(self, name):
        def ask(*args, **more):
            words = [*map(repr, args), *(f"{key}={value!r}" for key, value in more.items())]
            self._process.stdin.write(f"{name}({', '.join(words)})\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

        return ask


@contextmanager
def client(names):
    command = names.seen_by([sys.executable, str(Path(__file__).parent / "named_client.py")])
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "no_proxy": "*"}
    environment["IMPALA_HA_SHARE_STATE"] = "0"  # what other programs did has no part in the shares
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            yield Client(process)
        finally:
            process.stdin.close()
            process.wait(30)


def addresses(cluster):
    return {each.address for each in cluster}


def test_each_address_is_a_coordinator_and_who_leaves_drains(names, cluster, until):
    port, hosts = cluster[0].port, [each.host for each in cluster]
    names.serve({NAME: hosts})
    with client(names) as asked:
        found = {asked.connect(f"dns://{NAME}:{port}?{SOON}") for _ in range(3)}
        assert addresses(cluster) == found == set(asked.members())

        names.serve({NAME: hosts[1:]})
        left = [cluster[1].address, cluster[2].address]
        until(lambda: all(asked.run(n) in left for n in range(3)))
        assert left == asked.members()
        until(lambda: cluster[0].sessions == [])

        names.stop()
        assert {asked.connect(f"dns://{NAME}:{port}?{SOON}") for _ in range(4)} == set(left)
        assert left == asked.members()


def test_a_name_that_nobody_knows_is_told(names):
    names.serve({})
    with client(names) as asked:
        told = asked.connect(f"dns://{NAME}")

    assert told.startswith(f"NoCoordinatorLeft: dns://{NAME} names no coordinator: ")
    assert told.endswith(f"(see `getent ahosts {NAME}` on this machine)")


def test_tls_asks_each_address_for_a_certificate_of_the_name(names, certificates):
    names.serve({NAME: ["127.0.0.1", "127.0.0.2"], "other.test": ["127.0.0.1"]})
    with LocalCluster(2, tls=certificates.of(NAME)) as cluster, client(names) as asked:
        port, options = cluster[0].port, {"use_ssl": True, "ca_cert": certificates.ca}
        found = {asked.connect(f"dns://{NAME}:{port}", **options) for _ in range(2)}
        told = asked.connect(f"dns://other.test:{port}", deadline=1, **options)

        assert addresses(cluster) == found
    assert "Hostname mismatch, certificate is not valid for 'other.test'" in told


def test_srv_records_have_weights_and_priorities(names, cluster, until):
    one, two, spare = cluster
    hosts = {f"c{n}.example.test": [each.host] for n, each in enumerate(cluster)}
    targets = [
        ("c0.example.test", one.port, 10, 30),
        ("c1.example.test", two.port, 10, 10),
        ("c2.example.test", spare.port, 20, 0),
        ("c2.example.test", 0, 5, 5),  # no port that anybody has
    ]
    names.serve(hosts, {SERVICE: targets})
    with client(names) as asked:
        shares = Counter(asked.connect(f"srv://{SERVICE}?{SOON}") for _ in range(8))
        assert {f"c0.example.test:{one.port}": 6, f"c1.example.test:{two.port}": 2} == shares
        assert [f"c{n}.example.test:{each.port}" for n, each in enumerate(cluster)] == (
            asked.members()
        )

        one.kill()
        two.kill()
        assert f"c2.example.test:{spare.port}" == asked.connect(f"srv://{SERVICE}?{SOON}")

        names.serve(hosts, {SERVICE: targets[2:3]})
        until(lambda: asked.run(-1) and len(asked.members()) == 1)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ({}, "The DNS query name does not exist"),
        ({SERVICE: [(".", 0, 0, 0)]}, "its answer is empty"),
    ],
    ids=["nothing", "no such service"],
)
def test_a_service_that_is_not_there_is_told(names, records, why):
    names.serve({}, records)
    with client(names) as asked:
        told = asked.connect(f"srv://{SERVICE}")

    assert told.startswith(f"NoCoordinatorLeft: srv://{SERVICE} names no coordinator: {why}")
    assert told.endswith(f"(see `dig SRV {SERVICE}`)")
