"""`impala-ha doctor` at a HiveServer2 that others wrote, which is no Impala: Spark's Thrift Server."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from real_servers import missing

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-ha"))

pytestmark = [
    pytest.mark.slow(20),
    pytest.mark.servers,
    # The first test fetches 318 MB on a machine that has none of it.
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing("spark")), reason=missing("spark")),
]


def report(server, *words):
    done = subprocess.run(
        [
            PROGRAM,
            "doctor",
            "--json",
            "--web_port",
            "0",
            "-i",
            f"{server.host}:{server.port}",
            *words,
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("IMPALA_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return json.loads(done.stdout)


def test_it_is_well_without_a_state_and_is_known_for_what_it_speaks(spark):
    with spark({"auth": "NOSASL"}) as (server,):
        well = report(server)
        wrong = report(server, "--protocol", "hs2-http", "--connect_timeout", "5")

    assert well["ok"], well
    steps = {each["layer"]: each for each in well["steps"]}
    assert steps["version"]["text"]
    assert "it is no Impala" in steps["state"]["text"]
    assert "protocol" == wrong["layer"]
