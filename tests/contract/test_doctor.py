"""`impala-ha doctor` names the right layer in each fault that the test suite knows, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sysconfig
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import impala_ha
from impala_ha.testing import LocalCluster
from real_servers import Certificates, Realm, missing

needs_realm = pytest.mark.skipif(
    bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi")
)
pytestmark = pytest.mark.servers

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-ha"))
LIMIT = 60
BRIEF = "3"  # seconds for coordinators that say nothing
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("IMPALA_", "LC_", "KRB5"))
} | {"no_proxy": "*"}
SECRET = "s3cret-of-etl"
KEY = "a secret of at least thirty-two bytes"


def ran(*words, environment=None):
    return subprocess.run(
        [PROGRAM, "doctor", "--web_port", "0", *words],
        env=ENVIRONMENT | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def reports(*words, environment=None):
    """What the doctor writes down, and its exit status."""
    done = ran("--json", *words, environment=environment)
    assert done.returncode in {0, 1}, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def report(*words, environment=None):
    """Of one coordinator that is ill."""
    (found,), status = reports(*words, environment=environment)
    assert (False, 1) == (found["ok"], status)
    assert found["problem"]
    assert found["advice"]
    ill = [step["layer"] for step in found["steps"] if step["status"] == "failed"]
    assert found["layer"] in ill
    return found


def step(found, layer):
    (one,) = [each for each in found["steps"] if each["layer"] == layer]
    return one


# Servers.


@pytest.fixture
def plain(over_http):
    return over_http


@pytest.fixture(scope="module")
def ldap():
    with LocalCluster(2, auth="LDAP", users={"etl": SECRET}, http=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def tls(certificates):
    with LocalCluster(1, tls=certificates.of("127.0.0.1")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def realm():
    with Realm(hosts=("coord1.test", "coord2.test", "other.test")) as realm:
        yield realm


@pytest.fixture(scope="module")
def kerberized(realm):
    with LocalCluster(
        1, auth="GSSAPI", http=True, keytab=realm.server_keytab, krb5_config=realm.config
    ) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _healed(request):
    yield
    for name in ("ldap", "tls", "kerberized"):
        if name in request.fixturenames:
            for one in request.getfixturevalue(name):
                one.resume()
                one.heal()
                one.lose_sessions()
    if "realm" in request.fixturenames:
        request.getfixturevalue("realm").resume_kdc()
        request.getfixturevalue("realm").start_kdc()


@pytest.fixture
def nobody(realm, tmp_path):
    """The environment of somebody without a ticket, and where it would be."""
    return {"KRB5_CONFIG": realm.config, "KRB5CCNAME": f"FILE:{tmp_path / 'cache'}"}


@pytest.fixture
def etl(realm, nobody):
    """The environment of somebody with a ticket."""
    realm.kinit("etl", nobody["KRB5CCNAME"].removeprefix("FILE:"))
    return nobody


@contextmanager
def listening(answer=b"", *, backlog=8):
    """A server that takes connections and says *answer*, at its own time."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as listener:
        yield "{}:{}".format(*listener.getsockname())


# A cluster that is well.


def test_all_is_well_and_told_in_the_order_of_the_list(plain):
    found, status = reports("-i", plain.hosts)

    assert 0 == status
    assert plain.hosts.split(",") == [each["coordinator"] for each in found]
    for each in found:
        assert each["ok"]
        assert [None] * 4 == [each[key] for key in ("layer", "fault", "problem", "advice")]
        assert {"ok"} == {one["status"] for one in each["steps"]}
        assert "impalad version 4.5.0" in step(each, "version")["text"]
        assert step(each, "state")["facts"]["quiescing"] is False
        assert step(each, "session")["seconds"] > 0
    assert [] == plain[0].sessions, "it closes what it opens"


def test_a_cluster_that_is_well_fits_on_one_screen(plain):
    done = ran("-i", plain.hosts)

    assert 0 == done.returncode
    lines = done.stdout.splitlines()
    assert len(lines) <= 3 * len(plain) + 1
    assert "2 coordinators, all healthy" in lines[-1]
    assert "\x1b" not in done.stdout, "no colours in a pipe"
    assert "" == done.stderr


def test_over_http_all_is_well(plain):
    (found, _), status = reports(
        "-i", plain.http_hosts, "--protocol", "hs2-http", "--http_path", "cliservice"
    )

    assert 0 == status
    assert {"status": 200, "path": "/cliservice"} == step(found, "http")["facts"]


def test_hosts_and_options_come_from_the_environment(plain):
    found, status = reports(environment={"IMPALA_HA_HOSTS": plain.hosts})

    assert (2, 0) == (len(found), status)


def test_a_variable_that_means_nothing_is_warned_of(plain):
    done = ran("-i", plain.hosts, environment={"IMPALA_HA_USESSL": "1"})

    assert 0 == done.returncode
    assert "did you mean IMPALA_HA_USE_SSL" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("-i", "a:b"),
        ("-i", "a", "--no_such_flag"),
        ("-i", "a", "-k", "-l"),
        ("-i", "a", "--ca_cert", "/dev/null"),
        ("-i", "a", "--connect_timeout", "0"),
    ],
)
def test_wrong_usage_is_two_and_says_why(words):
    done = ran(*words)

    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.strip()


def test_a_certificate_is_told_with_its_names_and_its_days(certificates):
    pem = certificates.of("127.0.0.1", "coord1.test")
    with LocalCluster(1, tls=pem, auth="LDAP", users={"etl": SECRET}) as cluster:
        words = ["-l", "-u", "etl", "--ldap_password_cmd", f"echo {SECRET}", "--ssl"]
        (found,), status = reports("-i", cluster.hosts, *words, "--ca_cert", certificates.ca)
        (believed,), _ = reports("-i", cluster.hosts, *words)

    assert 0 == status
    shown = step(found, "tls")["facts"]
    assert {"127.0.0.1", "coord1.test"} == set(shown["names"])
    assert shown["verified"]
    assert shown["days_left"] > 1
    assert shown["protocol"].startswith("TLSv1.")
    assert ["LDAP", "ok"] == [step(found, "login")["text"], step(found, "login")["status"]]
    unverified = step(believed, "tls")
    assert "warning" == unverified["status"]
    assert {**shown, "verified": False} == unverified["facts"] | {"days_left": shown["days_left"]}


@needs_realm
def test_a_ticket_is_told_with_its_life_and_the_service_with_its_name(realm, kerberized, etl):
    (found,), status = reports("-k", "-i", kerberized.kerberos_hosts, environment=etl)

    assert 0 == status
    ticket = step(found, "ticket")["facts"]
    assert f"etl@{realm.name}" == ticket["principal"]
    assert 30_000 < ticket["seconds_left"] <= 36_000
    assert "impala/coord1.test" == step(found, "principal")["text"]
    assert "GSSAPI" == step(found, "login")["text"]


@needs_realm
def test_a_keytab_is_told_with_whose_tickets_it_gave(realm, kerberized, nobody):
    words = ["-k", "--keytab", realm.keytab("etl"), "--principal", "etl"]
    (found,), status = reports(*words, "-i", kerberized.kerberos_hosts, environment=nobody)

    assert 0 == status
    ticket = step(found, "ticket")["facts"]
    assert realm.keytab("etl") == ticket["keytab"]
    assert f"etl@{realm.name}" == ticket["principal"]
    assert ticket["seconds_left"] > 30_000


# All are examined.


def test_one_that_hangs_keeps_nobody_from_being_examined(plain):
    plain[0].hang()
    with listening() as mute:
        found, status = reports(
            "-i", f"{plain.hosts},{mute},nope.invalid", "--connect_timeout", BRIEF
        )

    assert 1 == status
    assert ["session", None, "session", "addresses"] == [each["layer"] for each in found]
    assert max(each["seconds"] for each in found) < 2.5 * float(BRIEF)


def test_a_wrong_password_is_given_to_one_coordinator_only(ldap):
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "--ldap_password_cmd", "echo wrong"]
    found, status = reports("-i", ldap.hosts, *words)

    assert 1 == status
    assert ["login", "login"] == [each["layer"] for each in found]
    tried = [step(each, "login")["status"] for each in found]
    assert ["failed", "skipped"] == sorted(tried)
    assert "ok" == step(found[1], "tcp")["status"], "what needs no password is looked at"


def test_what_is_ill_is_told_with_why_and_what_to_do(plain):
    plain[1].drain()
    done = ran("-i", plain.hosts)

    assert 1 == done.returncode
    assert f"FAIL {plain[1].address}: state" in done.stdout
    assert "why   Server is being shut down" in done.stdout
    assert "do    somebody shuts it down gracefully" in done.stdout
    assert f"1 of 2 coordinators failed: {plain[1].address} (state)" in done.stdout


def test_ctrl_c_does_not_wait_for_one_that_hangs():
    with listening() as mute:
        words = ["--connect_timeout", "50", "--web_port", "0", "-i", f"no-such-host.invalid,{mute}"]
        with subprocess.Popen(
            [PROGRAM, "doctor", *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert "FAIL no-such-host.invalid" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert -signal.SIGINT == process.wait(LIMIT / 4)


# The layers of the network.


def test_an_unknown_name():
    found = report("-i", "no-such-host.invalid")

    assert "addresses" == found["layer"]
    assert "check the spelling" in found["advice"]
    assert "skipped" == step(found, "tcp")["status"]


def test_a_refused_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = report("-i", "{}:{}".format(*taken.getsockname()))

    assert "tcp" == found["layer"]
    assert "nothing listens on this port" in found["advice"]
    assert ["127.0.0.1"] == step(found, "addresses")["facts"]["addresses"]


def test_a_full_backlog_which_looks_like_a_firewall():
    with listening(backlog=0) as address:
        host, port = address.split(":")
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((host, int(port)))
        found = report("-i", address, "--connect_timeout", BRIEF)
        for filler in fillers:
            filler.close()

    assert "tcp" == found["layer"]
    assert "no answer within 3 s" == found["problem"]
    assert "firewall" in found["advice"]


def test_a_server_that_takes_connections_and_says_nothing():
    with listening() as address:
        found = report("-i", address, "--connect_timeout", BRIEF)

    assert "session" == found["layer"]
    assert "no answer within 3 s" == found["problem"]
    assert "--fe_service_threads" in found["advice"]


def test_the_web_page_in_place_of_hiveserver2(plain):
    found = report("-i", plain[0].web_address, "--connect_timeout", BRIEF)

    assert "protocol" == found["layer"]
    assert "web page" in found["advice"]
    assert "21050" in found["advice"]


@pytest.mark.parametrize(("port", "told"), [(21000, "Beeswax"), (25000, "web page")])
def test_a_port_that_is_known_for_something_else(port, told):
    with socket.create_server(("127.0.0.87", port)):
        found = report("-i", f"127.0.0.87:{port}", "--connect_timeout", BRIEF)

    assert "protocol" == found["layer"]
    assert told in found["advice"]
    assert "21050" in found["advice"]


def test_binary_to_the_port_of_http(plain):
    found = report("-i", plain.http_hosts.split(",")[0], "--connect_timeout", BRIEF)

    assert "protocol" == found["layer"]
    assert "speaks HTTP on this port" in found["problem"]
    assert "--protocol hs2-http" in found["advice"]


def test_http_to_the_binary_port(plain):
    address = plain[0].address
    found = report("-i", address, "--protocol", "hs2-http", "--connect_timeout", BRIEF)

    assert "protocol" == found["layer"]
    assert "speaks the binary protocol" in found["problem"]


# TLS.


def test_tls_to_a_server_that_speaks_none(plain):
    found = report("-i", plain[0].address, "--ssl")

    assert "tls" == found["layer"]
    assert "--ssl" in found["advice"]


def test_no_tls_to_a_server_that_wants_it(tls):
    found = report("-i", tls.hosts, "--connect_timeout", BRIEF)

    assert "tls" == found["layer"]
    assert "spoken to in the clear" in found["problem"]
    assert "--ssl" in found["advice"]


def test_a_certificate_of_another_authority(tls, certificates):
    with Certificates() as others:
        found = report("-i", tls.hosts, "--ssl", "--ca_cert", others.ca)

    assert ("tls", "UNTRUSTED") == (found["layer"], found["fault"])
    assert "ca_cert" in found["advice"]
    assert step(found, "tls")["facts"]["issuer"], "whose it is can be seen"


def test_a_certificate_of_another_name(certificates):
    with LocalCluster(1, tls=certificates.of("coord9.test")) as cluster:
        found = report("-i", cluster.hosts, "--ssl", "--ca_cert", certificates.ca)

    assert "tls" == found["layer"]
    assert "other names" in found["advice"]
    assert ["coord9.test"] == step(found, "tls")["facts"]["names"]


def test_an_expired_certificate(certificates):
    with LocalCluster(1, tls=certificates.of("127.0.0.1", expired=True)) as cluster:
        found = report("-i", cluster.hosts, "--ssl", "--ca_cert", certificates.ca)

    assert "tls" == found["layer"]
    assert "expired" in found["problem"]
    assert "renewed" in found["advice"]
    assert step(found, "tls")["facts"]["days_left"] < 0


@pytest.mark.parametrize("minimum", ["TLSv1.2", "TLSv1.3"])
def test_a_certificate_of_the_client_is_wanted(certificates, minimum):
    pem = certificates.of("127.0.0.1")
    with LocalCluster(1, tls=pem, client_ca=certificates.ca, tls_minimum=minimum) as cluster:
        found = report("-i", cluster.hosts, "--ssl", "--ca_cert", certificates.ca)

    assert "tls" == found["layer"]
    assert "client_cert" in found["advice"]


# Logging in.


def test_no_login_where_one_is_wanted(ldap):
    found = report("-i", ldap[0].address, "--connect_timeout", BRIEF)

    assert "login" == found["layer"]
    assert "wants to know who comes" in found["problem"]
    assert "-k" in found["advice"]


def test_a_login_where_none_is_wanted(plain):
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "--ldap_password_cmd", f"echo {SECRET}"]
    found = report("-i", plain[0].address, *words, "--connect_timeout", BRIEF)

    assert "login" == found["layer"]
    assert "asks nobody" in found["problem"]


@needs_realm
def test_a_password_where_kerberos_is_wanted(kerberized):
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "--ldap_password_cmd", f"echo {SECRET}"]
    found = report("-i", kerberized.hosts, *words)

    assert "login" == found["layer"]
    assert "the server does not offer this auth_mechanism" == found["advice"]


def test_a_wrong_password(ldap):
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "--ldap_password_cmd", "echo wrong"]
    found = report("-i", ldap[0].address, *words)

    assert ("login", "DENIED") == (found["layer"], found["fault"])
    assert "the server closed the connection after the password" in found["advice"]


def test_a_command_for_the_password_that_fails(ldap):
    environment = {
        "IMPALA_HA_AUTH_MECHANISM": "LDAP",
        "IMPALA_HA_PASSWORD_CMD": "false",
    }
    words = ["-i", ldap[0].address, "--auth_creds_ok_in_clear"]
    found = report(*words, environment=environment)

    assert "secret" == found["layer"]
    assert "ok" == step(found, "tcp")["status"]


# Kerberos.


@needs_realm
def test_no_ticket(kerberized, nobody):
    found = report("-k", "-i", kerberized.kerberos_hosts, environment=nobody)

    assert "ticket" == found["layer"]
    assert "`kinit`" in found["advice"]
    assert "ok" == step(found, "tcp")["status"], "what needs no ticket is looked at"


@needs_realm
def test_an_expired_ticket(kerberized, realm, nobody, until):
    realm.kinit("etl", nobody["KRB5CCNAME"].removeprefix("FILE:"), lifetime=1)
    over = time.monotonic() + 2
    until(lambda: time.monotonic() > over)
    found = report("-k", "-i", kerberized.kerberos_hosts, environment=nobody)

    assert "ticket" == found["layer"]
    assert "ticket has ended" in found["advice"]


@needs_realm
def test_a_kdc_that_is_down(kerberized, realm, etl):
    realm.stop_kdc()
    found = report("-k", "-i", kerberized.kerberos_hosts, environment=etl)

    assert "ticket" == found["layer"]
    assert "check the KDC" in found["advice"]


@needs_realm
def test_a_kdc_that_hangs(kerberized, realm, etl):
    realm.hang_kdc()
    words = ["-k", "-i", kerberized.kerberos_hosts, "--connect_timeout", BRIEF]
    found = report(*words, environment=etl)

    assert "ticket" == found["layer"]
    assert "check the KDC" in found["advice"]
    assert found["seconds"] < 2 * float(BRIEF)


@needs_realm
def test_a_service_that_the_kdc_does_not_know(kerberized, etl):
    found = report("-k", "-i", kerberized.hosts, "-b", "nope.test", environment=etl)

    assert ("principal", "MISNAMED") == (found["layer"], found["fault"])
    assert "impala/nope.test" == step(found, "principal")["text"]
    assert ["ok", "ok"] == [step(found, layer)["status"] for layer in ("ticket", "tcp")]
    assert "`kvno`" in found["advice"]


@needs_realm
def test_a_ticket_for_the_key_of_another_server(kerberized, etl, realm):
    with LocalCluster(
        1,
        auth="GSSAPI",
        keytab=realm.server_keytab,
        krb5_config=realm.config,
        principals="impala/coord2.test",
    ) as cluster:
        words = ["-k", "-i", cluster.hosts, "-b", "coord1.test"]
        found = report(*words, environment=etl)

    assert "principal" == found["layer"]
    assert "krb_host" in found["advice"]


PROTOCOLS = pytest.mark.parametrize("protocol", ["hs2", "hs2-http"])


def kerberos(cluster, protocol, name="coord1.test"):
    """The words for a coordinator that is known to the KDC by *name*."""
    hosts = cluster.hosts if protocol == "hs2" else cluster.http_hosts
    return ["-k", "-i", hosts.split(",")[0], "-b", name, "--protocol", protocol]


@needs_realm
@PROTOCOLS
def test_a_ticket_that_is_older_than_the_key(kerberized, etl, realm, protocol):
    """The file with the old one is still there; a new one is what helps, and nothing else."""
    words = kerberos(kerberized, protocol)
    assert 0 == ran(*words, environment=etl).returncode
    realm.change_keys()
    found = report(*words, environment=etl)

    assert ("principal", "REFUSED") == (found["layer"], found["fault"])
    assert "impala/coord1.test" == step(found, "principal")["text"]
    assert "`kinit` replaces" in found["advice"]
    realm.kinit("etl", etl["KRB5CCNAME"].removeprefix("FILE:"))
    assert 0 == ran(*words, environment=etl).returncode


@needs_realm
@PROTOCOLS
def test_the_name_of_another_coordinator(kerberized, etl, protocol):
    found = report(*kerberos(kerberized, protocol, "coord2.test"), environment=etl)

    assert ("principal", "REFUSED") == (found["layer"], found["fault"])
    assert "impala/coord2.test" == step(found, "principal")["text"]
    assert "check krb_host" in found["advice"]


@needs_realm
def test_tickets_for_other_services_alone(kerberized, realm, nobody):
    command = ["kinit", "-k", "-t", realm.keytab("etl"), "-S", "impala/other.test", "etl"]
    subprocess.run(command, check=True, timeout=30, env=ENVIRONMENT | nobody)
    found = report(*kerberos(kerberized, "hs2"), environment=nobody)

    assert ("ticket", "NO_TICKET") == (found["layer"], found["fault"])
    assert "no ticket for impala/coord1.test" in found["problem"]
    assert "no ticket-granting ticket" in found["advice"]


@needs_realm
def test_kerberos_over_http_to_a_server_with_passwords(ldap, etl):
    found = report(*kerberos(ldap, "hs2-http"), environment=etl)

    assert ("login", "REFUSED") == (found["layer"], found["fault"])
    assert "(asks for Basic)" in found["problem"]
    assert "auth_mechanism='LDAP' for Basic" in found["advice"]


@needs_realm
def test_kerberos_in_the_clear_to_a_server_that_wants_tls(tls, etl):
    found = report(*kerberos(tls, "hs2"), environment=etl)

    assert "tls" == found["layer"]
    assert "--ssl" in found["advice"]


@needs_realm
def test_kerberos_to_a_server_with_passwords(ldap, etl):
    words = ["-k", "-i", ldap[0].address, "-b", "coord1.test"]
    found = report(*words, environment=etl)

    assert "login" == found["layer"]
    assert "the server does not offer this auth_mechanism" == found["advice"]


@needs_realm
def test_kerberos_to_a_server_that_asks_nobody(plain, etl):
    words = ["-k", "-i", plain[0].address, "-b", "coord1.test", "--connect_timeout", BRIEF]
    found = report(*words, environment=etl)

    assert "login" == found["layer"]
    assert "asks nobody" in found["problem"]


@needs_realm
def test_a_missing_library(kerberized, etl, tmp_path):
    (tmp_path / "libgssapi_krb5.so.2").touch()  # goes before the system's, and is none
    words = ["-k", "-i", kerberized.kerberos_hosts]
    found = report(*words, environment={**etl, "LD_LIBRARY_PATH": str(tmp_path)})

    assert "ticket" == found["layer"]
    assert "libgssapi_krb5.so.2: file too short" in found["problem"]
    assert "`apt install libgssapi-krb5-2`" in found["problem"]


# Coordinators that do not take work.


def test_a_coordinator_that_is_being_shut_down(plain):
    plain[0].drain()
    found = report("-i", plain[0].address)

    assert ("state", "DRAINING") == (found["layer"], found["fault"])
    assert "shutdown grace period left" in found["problem"]


def test_a_coordinator_without_a_service_thread(plain):
    plain[0].saturate()
    found = report("-i", plain[0].address, "--connect_timeout", BRIEF)

    assert "session" == found["layer"]
    assert "--fe_service_threads" in found["advice"]


def test_the_web_page_of_a_mute_one_is_looked_at(plain):
    plain[0].saturate()
    port = plain[0].web_address.rpartition(":")[2]
    found = report("-i", plain[0].address, "--connect_timeout", BRIEF, "--web_port", port)

    assert "session" == found["layer"]
    assert f"its web page ({plain[0].web_address}) answers, so the process lives" in found["advice"]


def test_a_limit_of_sessions():
    with LocalCluster(1, flags={"max_hs2_sessions_per_user": 1}) as cluster:
        with impala_ha.connect(cluster.hosts, user="etl"):
            found = report("-i", cluster.hosts, "-u", "etl")

    assert ("session", "FULL") == (found["layer"], found["fault"])
    assert "--max_hs2_sessions_per_user" in found["advice"]


def test_a_coordinator_that_hangs_after_the_login(ldap):
    ldap[0].delay(30, rpc="OpenSession")
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "--ldap_password_cmd", f"echo {SECRET}"]
    found = report("-i", ldap[0].address, *words, "--connect_timeout", BRIEF)

    assert "session" == found["layer"]
    assert "ok" == step(found, "login")["status"]
    assert "no answer within 3 s" == found["problem"]


def test_a_ping_that_is_not_answered(plain):
    plain[0].delay(30, rpc="GetInfo")
    found = report("-i", plain[0].address, "--connect_timeout", BRIEF)

    assert "ping" == found["layer"]
    assert "ok" == step(found, "session")["status"]


def test_somebody_who_may_not_be_acted_for(plain):
    found = report("-i", plain[0].address, "-u", "etl", "--doas_user", "ada")

    assert ("session", "DENIED") == (found["layer"], found["fault"])
    assert "authorized_proxy_user_config" in found["advice"]


# HTTP.


@pytest.mark.parametrize(
    ("status", "layer"),
    [(404, "http"), (302, "http"), (502, "http"), (503, "http"), (504, "http"), (401, "login")],
)
def test_a_gateway_that_answers_in_its_place(plain, status, layer):
    plain[0].answer_http(status, times=20)
    address = plain.http_hosts.split(",")[0]
    found = report("-i", address, "--protocol", "hs2-http", "--http_path", "gateway/x")

    assert layer == found["layer"]
    assert status == step(found, layer)["facts"]["status"]
    assert f"HTTP code {status}" in found["problem"]


def test_a_wrong_password_over_http(ldap):
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "--ldap_password_cmd", "echo wrong"]
    found = report("-i", ldap.http_hosts.split(",")[0], "--protocol", "hs2-http", *words)

    assert ("login", "DENIED") == (found["layer"], found["fault"])


def test_an_expired_token():
    jwt = pytest.importorskip("jwt")
    with LocalCluster(1, auth="JWT", http=True, jwt_key=KEY) as cluster:
        words = ["-i", cluster.http_hosts, "--protocol", "hs2-http", "-j"]
        words.append("--auth_creds_ok_in_clear")
        found = {}
        for name, ends in (("good", 600), ("expired", -600)):
            claims = {"username": "etl", "exp": int(time.time()) + ends}
            token = jwt.encode(claims, KEY, algorithm="HS256")
            found[name] = reports(*words, environment={"IMPALA_HA_JWT": token})[0][0]
            assert token not in json.dumps(found[name])

    assert found["good"]["ok"]
    assert ("login", "DENIED") == (found["expired"]["layer"], found["expired"]["fault"])
    assert 401 == step(found["expired"], "login")["facts"]["status"]


# Nothing secret.


def test_neither_output_has_the_password_in_it(ldap):
    words = ["-l", "-u", "etl", "--auth_creds_ok_in_clear", "-i", ldap.hosts, "-V"]
    done = ran(*words, environment={"IMPALA_HA_PASSWORD": SECRET})

    assert 0 == done.returncode, done.stdout
    assert SECRET not in done.stdout + done.stderr
