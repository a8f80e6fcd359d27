"""`impala-ha status` and `impala-ha reset`, as processes, on coordinators that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import impala_ha

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-ha"))
CONNECT = "import sys, impala_ha; impala_ha.connect(sys.argv[1]).close()"

pytestmark = [pytest.mark.servers, pytest.mark.slow(15)]


@pytest.fixture
def machine(tmp_path):
    """The environment of processes that share a state of their own."""
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    known = {n: v for n, v in os.environ.items() if not n.startswith("IMPALA_")}
    return known | {"XDG_RUNTIME_DIR": str(place), "IMPALA_HA_EJECT_FOR": "60"}


def ran(machine, *words):
    return subprocess.run(
        [PROGRAM, *words], env=machine, capture_output=True, text=True, timeout=60, check=False
    )


def job(machine, hosts):
    """A program that connects."""
    subprocess.run([sys.executable, "-c", CONNECT, hosts], env=machine, timeout=60, check=True)


def states(machine, hosts):
    done = ran(machine, "status", "--json", "-i", hosts)
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["host"]: each for each in found}, done.returncode


def test_all_are_well(cluster, machine):
    done = ran(machine, "status", "-i", cluster.hosts)

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(cluster)} in all: {len(cluster)} healthy" in done.stdout.splitlines()
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "4.5.0-RELEASE" in done.stdout


def test_one_that_a_job_found_dead_is_shown_to_the_operator_and_can_be_reset(cluster, machine):
    gone = cluster[1].host
    cluster[1].kill()
    for _ in range(2 * len(cluster)):
        job(machine, cluster.hosts)
    found, status = states(machine, cluster.hosts)

    assert status == 1
    assert (found[gone]["state"], found[gone]["answers"]) == ("ejected", False)
    assert found[gone]["why"] == "could not be reached"
    assert found[gone]["tries"] >= 1
    assert [each["state"] for host, each in found.items() if host != gone] == ["healthy"] * (
        len(cluster) - 1
    )

    done = ran(machine, "reset", cluster.hosts)
    assert done.returncode == 0
    assert f"{gone}:{cluster[1].port}: may be used again" in done.stdout.splitlines()
    assert done.stdout.count("nothing was held against it") == len(cluster) - 1
    found, _ = states(machine, cluster.hosts)
    assert (found[gone]["state"], found[gone]["tries"]) == ("failing", 0)


@pytest.mark.parametrize("kind", ["file", "backends"])
def test_those_are_shown_whom_a_source_names(cluster, machine, tmp_path, kind):
    path = tmp_path / "hosts"
    path.write_text(cluster.hosts.replace(",", "\n"))
    hosts = {"file": f"file://{path}", "backends": f"backends://{cluster[0].web_address}"}[kind]
    found, status = states(machine, hosts)

    assert (status, {*found}) == (0, {each.host for each in cluster})
    done = ran(machine, "reset", hosts)
    assert (done.returncode, done.stdout.count("nothing was held")) == (0, len(cluster))


@pytest.mark.parametrize("words", [("status", "-i"), ("status", "--json", "-i"), ("reset",)])
def test_a_source_that_names_nobody_is_no_success(machine, words):
    done = ran(machine, *words, "file:///no/such/file")

    assert (done.returncode, done.stdout) == (1, "")
    assert "file:///no/such/file names no coordinator" in done.stderr


def test_the_load_of_all_clients_is_shown(cluster, machine):
    with impala_ha.connect(cluster[0].host, cluster[0].port, share_state=False):
        found, _ = states(machine, cluster.hosts)

    assert found[cluster[0].host]["connections_of_all"] >= 1
    assert 0 < found[cluster[0].host]["load"] < 1
    assert found[cluster[0].host]["service_threads"] == 64
    assert found[cluster[0].host]["load_error"] == ""


def test_one_that_drains_is_shown_as_such_before_a_program_has_met_it(cluster, machine):
    cluster[1].drain()
    found, status = states(machine, cluster.hosts)

    assert (found[cluster[1].host]["state"], status) == ("draining", 1)
    assert "shut down" in found[cluster[1].host]["error"]


def test_without_shared_state_what_answers_now_is_shown(cluster, machine):
    nowhere = machine | {"IMPALA_HA_SHARE_STATE": "0"}
    done = ran(nowhere, "status", "-i", cluster.hosts)

    assert done.returncode == 0
    assert "No state is shared" in done.stdout
    assert ran(nowhere, "reset", cluster.hosts).returncode == 1


def test_watching_goes_on_until_it_is_interrupted(cluster, machine):
    with subprocess.Popen(
        [PROGRAM, "status", "--watch", "-i", cluster.hosts],
        env=machine,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        for line in program.stdout:
            if "in all" in line:
                break
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == -signal.SIGINT


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("status", "-i", "a:0"), "port of a must be a whole number within 1..65535"),
        (("reset", "a:0"), "port of a must be a whole number within 1..65535"),
        (("reset",), "Missing argument 'HOST...'"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_opened(machine, words, why):
    done = ran(machine, *words)

    assert done.returncode == 2
    assert why in done.stderr
