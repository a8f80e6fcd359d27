"""A KDC that is away: tickets at hand are used, for others it is waited for, and nobody is blamed."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from kerberized import backends

import impala_ha
from impala_ha import AuthenticationFailed, Cluster, Coordinator, NoCoordinatorLeft, State
from impala_ha.balancing.circuit_breaker import CircuitBreaker
from impala_ha.core.faults import Fault
from impala_ha.testing import LocalCluster
from real_servers import Realm, missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi")),
]

LONG = 120.0  # seconds; nobody waits that long unless something hangs


@pytest.fixture(scope="module")
def realm():
    with Realm(hosts=("coord1.test", "coord2.test", "coord3.test")) as realm:
        yield realm


@pytest.fixture(scope="module")
def cluster_(realm):
    keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
    with LocalCluster(3, auth="GSSAPI", http=True, **keys) as cluster:
        yield cluster


@pytest.fixture
def three(cluster_):
    yield cluster_
    cluster_.heal()


@pytest.fixture(autouse=True)
def etl(realm, monkeypatch, tmp_path, until):
    """A client with a ticket-granting ticket."""
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'cache'}")
    monkeypatch.setenv("no_proxy", "*")
    realm.kinit("etl", str(tmp_path / "cache"))
    yield
    realm.resume_kdc()
    realm.start_kdc()
    # Nobody may read the environment, as libkrb5 does, while it is put back.
    until(lambda: not any(each.name.startswith("ticket for") for each in threading.enumerate()))


#: Which backend, which protocol.
SOME = backends("system http", "kerberos binary", "gssapi http", "keytab system", "keytab gssapi")
MORE = backends("system binary", "kerberos http", "gssapi binary")
ALL = pytest.mark.parametrize("how", [*SOME, *MORE], indirect=True)


@pytest.fixture(params=SOME)
def how(request, realm, tmp_path):
    """How the client logs in."""
    package, _, protocol = request.param.partition(" ")
    words = {"auth_mechanism": "GSSAPI", "use_http_transport": protocol == "http"}
    if package != "keytab":
        return words | {"kerberos_backend": package}
    words["kerberos_backend"] = protocol
    mine = tmp_path / "etl.keytab"  # another one for each test: tickets are kept by its name
    mine.write_bytes(Path(realm.keytab("etl")).read_bytes())
    return words | {"principal": "etl", "keytab": str(mine)}


def cluster_of(cluster, how):
    """How it is known to the clients of one test."""
    http = how["use_http_transport"]
    return Cluster(
        [
            Coordinator(c.host, c.http_port if http else c.port, krb_host=f"coord{n}.test")
            for n, c in enumerate(cluster, 1)
        ],
        policy="ordered",
        breaker=CircuitBreaker(ejection=300),
    )


def fetch_tickets(cluster, how, *numbers):
    for number in numbers:
        impala_ha.connect(Cluster([cluster.coordinators[number]]), **how).close()


def states(cluster):
    return {candidate.state for candidate in cluster.snapshot()}


@contextmanager
def once_it_waits(caplog, until, work):
    """*work* in a thread, once it said that it waits."""
    caplog.set_level("WARNING", "impala_ha")
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work)
        until(lambda: done.done() or "waits for" in caplog.text)
        assert not done.done(), done.exception()
        yield done


@ALL
def test_a_kdc_that_comes_back_is_waited_for(three, realm, how, caplog, until):
    cluster = cluster_of(three, how)
    realm.stop_kdc()

    with once_it_waits(
        caplog, until, lambda: impala_ha.connect(cluster, deadline=LONG, **how)
    ) as done:
        realm.start_kdc()

    done.result().close()
    assert {State.HEALTHY} == states(cluster)
    assert "could not be asked without a KDC" in caplog.text


@ALL
@pytest.mark.parametrize("away", ["stop_kdc", "hang_kdc"])
def test_coordinators_whose_ticket_is_at_hand_are_taken_and_the_others_skipped(
    three, realm, how, away
):
    cluster = cluster_of(three, how)
    fetch_tickets(cluster, how, 1, 2)
    getattr(realm, away)()

    for _ in range(6):
        with impala_ha.connect(cluster, connect_timeout=3, **how) as connection:
            assert cluster.coordinators[1] == connection.coordinator

    assert {State.HEALTHY} == states(cluster)


def test_a_hung_coordinator_is_overtaken_by_one_whose_ticket_is_at_hand(three, realm, how):
    cluster = cluster_of(three, how)
    fetch_tickets(cluster, how, 0, 2)
    realm.stop_kdc()
    three[0].hang()

    with impala_ha.connect(cluster, connect_timeout=LONG, hedge_after=0.1, **how) as connection:
        assert cluster.coordinators[2] == connection.coordinator

    assert State.HEALTHY is cluster.snapshot()[1].state


def test_a_job_fails_over_once_the_kdc_is_back(three, realm, how, caplog, until):
    cluster = cluster_of(three, how)
    with impala_ha.connect(cluster, deadline=LONG, hedge_after=0, **how) as job:
        cursor = job.cursor()
        cursor.execute("SELECT 1")
        realm.stop_kdc()
        three[0].kill()

        with once_it_waits(caplog, until, lambda: cursor.execute("SELECT 2")) as done:
            realm.start_kdc()

        done.result()
        assert [(2,)] == cursor.fetchall()
        assert [State.HEALTHY] * 2 == [each.state for each in cluster.snapshot()[1:]]


@pytest.mark.parametrize("away", ["stop_kdc", "hang_kdc"])
def test_the_kdc_is_named_at_the_deadline(three, realm, how, away):
    """Also where there was less time than a ticket takes: it is no refusal of the user."""
    cluster = cluster_of(three, how)
    getattr(realm, away)()

    with pytest.raises(NoCoordinatorLeft) as caught:
        impala_ha.connect(cluster, deadline=0.5, connect_timeout=0.5, **how)

    assert {Fault.NO_KDC} == {attempt.fault for attempt in caught.value.attempts}
    text = str(caught.value)
    assert "KRB5_KDC_UNREACH" in text
    assert "check the KDC" in text
    assert "The coordinators are not at fault" in text
    assert {State.HEALTHY} == states(cluster)


def test_without_a_ticket_the_kdc_is_not_waited_for(three, realm, how, monkeypatch):
    if "keytab" in how:
        pytest.skip("there the keytab is what counts")
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nonexistent/cache")
    realm.stop_kdc()

    with pytest.raises(AuthenticationFailed) as caught:
        impala_ha.connect(cluster_of(three, how), deadline=LONG, **how)

    assert 1 == len(caught.value.attempts)


# What a KDC may say, or not.


def der(tag, *content):
    body = b"".join(content)
    return bytes([tag, len(body)]) + body


def number(tag, value):
    return der(tag, der(2, value.to_bytes(2, "big")))


def refusal(code):
    """KRB-ERROR (RFC 4120, 5.9.1)."""
    name = der(0x30, number(0xA0, 2), der(0xA1, der(0x30, der(0x1B, b"krbtgt"))))
    return der(
        0x7E,
        der(
            0x30,
            number(0xA0, 5),
            number(0xA1, 30),
            der(0xA4, der(0x18, b"20260101000000Z")),
            number(0xA5, 1),
            number(0xA6, code),
            der(0xA9, der(0x1B, b"TEST")),
            der(0xAA, name),
        ),
    )


class FakeKdc:
    """Takes connections, counts them, and says always the same."""

    def __init__(self, host, answer=b""):
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.host, self.answer, self.asked = host, answer, 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.asked += 1
            with connection:
                if self.answer:
                    connection.recv(65536)
                    connection.sendall(len(self.answer).to_bytes(4, "big") + self.answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def elsewhere(realm, monkeypatch, tmp_path):
    """Let the clients look for the KDC somewhere else."""

    def look(address):
        config = Path(realm.config).read_text("utf-8")
        changed = config.replace(f"127.0.0.1:{realm.port}", address)
        assert changed != config
        (tmp_path / "krb5.conf").write_text(changed, "utf-8")
        monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))

    return look


@pytest.fixture
def fake_kdc(elsewhere):
    kdcs = []

    def start(answer=b""):
        kdcs.append(FakeKdc("127.92.0.1", answer))
        elsewhere(f"{kdcs[0].host}:{kdcs[0].port}")
        return kdcs[0]

    yield start
    for kdc in kdcs:
        kdc.close()


def failures(cluster, how, deadline=0.5):
    with pytest.raises(NoCoordinatorLeft) as caught:
        impala_ha.connect(cluster, deadline=deadline, **how)
    assert {Fault.NO_KDC} == {attempt.fault for attempt in caught.value.attempts}
    assert {State.HEALTHY} == states(cluster)
    return str(caught.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (refusal(29), "KRB5KDC_ERR_SVC_UNAVAILABLE"),
        (refusal(60), "KRB5KRB_ERR_GENERIC"),
        (refusal(29)[:-1], "ASN1"),
        (b"HTTP/1.1 400 Bad Request", "KRB5KRB_AP_ERR_MSG_TYPE"),
    ],
)
def test_a_kdc_that_does_not_do_its_work_is_waited_for(three, how, fake_kdc, answer, told):
    fake_kdc(answer)

    assert told in failures(cluster_of(three, how), how)


def test_a_kdc_that_knows_the_user_no_more_is_not_waited_for(three, how, fake_kdc):
    fake_kdc(refusal(18))  # KDC_ERR_CLIENT_REVOKED

    with pytest.raises(AuthenticationFailed) as caught:
        impala_ha.connect(cluster_of(three, how), deadline=LONG, **how)

    assert 1 == len(caught.value.attempts)


def test_a_kdc_whose_name_does_not_resolve_is_waited_for(three, how, elsewhere):
    elsewhere("kdc.invalid:88")

    assert "KRB5_" in failures(cluster_of(three, how), how)


@pytest.mark.parametrize("how", ["gssapi http"], indirect=True)
def test_threads_do_not_storm_a_kdc_that_has_no_answer(three, how, fake_kdc):
    """Each may ask once for each ticket; after that one of them asks, for all."""
    cluster, kdc = cluster_of(three, how), fake_kdc()

    def wait(_):
        return failures(cluster, how, deadline=6.0)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(wait, range(20)))

    assert 6 <= kdc.asked <= 120, "one thread alone asks some 20 times, twenty apart 400"
