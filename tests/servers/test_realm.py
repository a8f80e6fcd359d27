"""The private realm gives tickets, refuses them, hangs, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from real_servers import Realm, missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing("realm")), reason=missing("realm")),
]


@pytest.fixture(scope="module")
def realm():
    with Realm(users=("etl", "bob")) as realm:
        yield realm


def run(realm, *command, cache=None, check=True):
    environment = {**os.environ, **realm.environment}
    if cache:
        environment["KRB5CCNAME"] = cache
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=check
    )


def test_a_user_gets_a_ticket_and_with_it_one_for_each_coordinator(realm):
    cache = realm.kinit("etl")

    assert cache == realm.environment["KRB5CCNAME"]
    services = [f"{s}/coord{n}.test" for s in ("impala", "HTTP") for n in (1, 2)]
    said = run(realm, "kvno", *services).stdout
    assert said.split()[::4] == [f"{service}@{realm.name}:" for service in services]


def test_every_user_has_a_keytab_and_a_cache_of_their_own(realm, tmp_path):
    cache = realm.kinit("bob", str(tmp_path / "bobs"))

    assert cache == f"FILE:{tmp_path / 'bobs'}"
    assert f"Default principal: bob@{realm.name}" in run(realm, "klist", cache=cache).stdout


def ended(realm, cache):
    return run(realm, "klist", "-s", cache=cache, check=False).returncode == 1


def test_a_ticket_lives_as_long_as_it_was_asked_for(realm, tmp_path, until):
    cache = realm.kinit("etl", str(tmp_path / "short"), lifetime=2)
    other = realm.kinit("etl", str(tmp_path / "long"), lifetime=600)

    until(lambda: ended(realm, cache))
    assert not ended(realm, other)


def test_the_realm_limits_the_life_of_tickets(until):
    """And a small clock skew lets nobody use them for longer."""
    with Realm(hosts=("one.test",), ticket_life=2, clock_skew=1) as realm:
        cache = realm.kinit("etl", lifetime=600)

        until(lambda: ended(realm, cache))
        until(lambda: "Ticket expired" in run(realm, "kvno", "impala/one.test", check=False).stderr)


def test_the_server_keytab_holds_each_service_of_each_host(realm):
    said = run(realm, "klist", "-k", realm.server_keytab).stdout

    assert set(re.findall(r" (\S+)@", said)) == {
        *("impala/coord1.test", "HTTP/coord1.test"),
        *("impala/coord2.test", "HTTP/coord2.test"),
    }


def test_a_service_that_nobody_made_is_unknown(realm):
    realm.kinit("etl")

    refused = run(realm, "kvno", "impala/coord9.test", check=False).stderr

    assert "Server impala/coord9.test@IMPALA-HA.TEST not found in Kerberos database" in refused


def test_a_wrong_clock_is_refused(realm, tmp_path):
    cache = realm.kinit("etl", str(tmp_path / "late"))
    realm.set_clock(3600, cache)

    refused = run(realm, "kvno", "impala/coord1.test", cache=cache, check=False).stderr

    assert "Clock skew too great" in refused


def test_a_kdc_that_is_stopped_cannot_be_reached_until_it_is_started(realm):
    realm.stop_kdc()
    with pytest.raises(OSError, match="Cannot contact any KDC for realm 'IMPALA-HA.TEST'"):
        realm.kinit("etl")

    realm.start_kdc()

    realm.kinit("etl")


def test_a_kdc_that_hangs_answers_when_it_is_resumed(realm):
    realm.hang_kdc()
    waiting = subprocess.Popen(
        ["kinit", "-k", "-t", realm.keytab("etl"), f"etl@{realm.name}"],
        env={**os.environ, **realm.environment},
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.3)

    realm.resume_kdc()

    assert waiting.wait(30) == 0


def test_the_keys_are_for_their_owner_only_and_gone_at_the_end():
    with Realm(hosts=("one.test",)) as realm:
        files = [Path(realm.keytab("etl")), Path(realm.server_keytab), Path(realm.kinit("etl")[5:])]
        assert [file.stat().st_mode & 0o077 for file in files] == [0, 0, 0]

    assert not realm.directory.exists()


_OWNER = """
import time
from real_servers import Realm
realm = Realm(hosts=())
print(realm._kdc.pid, realm.directory, flush=True)
time.sleep(600)
"""


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_no_kdc_outlives_a_test_run_that_is_killed(until):
    command = [sys.executable, "-c", _OWNER]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tests) as owner:
        pid, directory = owner.stdout.readline().split()
        assert _runs(int(pid))

        owner.send_signal(signal.SIGKILL)

        until(lambda: not _runs(int(pid)))
        until(lambda: not Path(directory.decode()).exists())
