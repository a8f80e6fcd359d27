"""impyla's own test suite, as it is installed, through our connect() against the local cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import impala.tests
import pytest

from impala_ha.testing import LocalCluster

pytestmark = [pytest.mark.slow(50), pytest.mark.servers, pytest.mark.timeout(300)]

SUITE = Path(impala.tests.__file__).parent

FILES_LEFT_OUT = {
    "test_http_connect.py": "needs hs2-http, which the local cluster does not speak",
    "test_hs2_fault_injection.py": "never calls connect(), and needs hs2-http",
}

_NO_TLS = "needs a certificate in IMPYLA_SSL_CERT: the local cluster speaks without TLS"
_NO_HIVE = "needs Hive"
_DDL_RESULT = "skipped by impyla itself: DDL returns a result set in Impala"

LEFT_OUT = {
    "test_data_types.py::test_utf8_strings": (
        "cuts characters in half, which DuckDB cannot: its strings are valid UTF-8"
    ),
    "test_dbapi_compliance.py::ImpalaDBAPI20Test::test_close": (
        "skipped by impyla itself, whose closed connection raises no error; ours passes it in "
        "test_dbapi_compliance.py"
    ),
    "test_dbapi_compliance.py::ImpalaDBAPI20Test::test_description": _DDL_RESULT,
    "test_dbapi_compliance.py::ImpalaDBAPI20Test::test_fetchone": _DDL_RESULT,
    "test_dbapi_compliance.py::ImpalaDBAPI20Test::test_nextset": "skipped by impyla itself",
    "test_dbapi_compliance.py::ImpalaDBAPI20Test::test_setoutputsize": "skipped by impyla itself",
    "test_dbapi_connect.py::ImpalaConnectionTests::test_hive_nosasl_connect": _NO_HIVE,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_hive_plain_connect": _NO_HIVE,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_https_connection_default_certs": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_https_connection_nocert": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_https_connection_with_cert": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_https_connection_wrong_cert": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_ssl_connection_default_certs": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_ssl_connection_no_cert": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_ssl_connection_with_cert": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_ssl_connection_wrong_cert": _NO_TLS,
    "test_dbapi_connect.py::ImpalaConnectionTests::test_impala_ldap_connect_user_agent": (
        "needs LDAP over HTTP with TLS"
    ),
    "test_dbapi_connect.py::ImpalaConnectionTests::test_impala_plain_connect": (
        "skipped by impyla itself"
    ),
    "test_dbapi_connect.py::ImpalaConnectionTests::test_jwt_auth": "needs JWT over HTTP",
    "test_dbapi_connect.py::ImpalaConnectionTests::test_retry_dml": (
        "needs Impala's debug_action to delay an INSERT, and opens a transport again that failed, "
        "which ours never allows; test_promises.py tells how often an INSERT runs"
    ),
    "test_impala.py::test_build_summary_table": (
        "compares the operators of Impala's own plan with their sizes in memory"
    ),
    "test_sqlalchemy.py::test_sqlalchemy_multiinsert": (
        "executes a compiled statement, which SQLAlchemy 2 no longer takes"
    ),
}

FOUL = {
    # A stalled coordinator is noticed by the time-out of a read, and when a session is opened.
    "IMPALA_HA_TIMEOUT": "2",
    "IMPALA_HA_CONNECT_TIMEOUT": "2",
}


def run(cluster, report, *, foul):
    """Run the suite in a process of its own; return its outcomes by test."""
    here = Path(__file__).parent
    assert {cluster[0].port} == {coordinator.port for coordinator in cluster}, "it knows one port"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("IMPALA", "IMPYLA", "PYTEST_"))
    }
    environment |= {
        "IMPYLA_SKIP_HIVE_TESTS": "1",
        "IMPYLA_TEST_HOST": ",".join(coordinator.host for coordinator in cluster),
        "IMPYLA_TEST_PORT": str(cluster[0].port),
        "PYTHONPATH": os.pathsep.join([str(here), *sys.path[1:]]),
        "SUITE_REPORT": str(report),
    }
    if foul:
        environment |= {**FOUL, "SUITE_CLUSTER": str(cluster.directory)}
    ignored = [f"--ignore={SUITE / name}" for name in FILES_LEFT_OUT]
    options = ["-c", os.devnull, "--rootdir", str(SUITE), "-p", "no:cacheprovider", "--tb=short"]
    options += ["-p", "through_impala_ha", "--connect", "--timeout=60", "-q", *ignored]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(SUITE), *options],
        env=environment,
        cwd=report.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert report.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(report.read_text(encoding="utf-8"))


def surprises(told):
    """What did not end as `LEFT_OUT` says: one line each."""
    outcomes = told["outcomes"]
    yield from (f"{test} is gone" for test in sorted(LEFT_OUT.keys() - outcomes.keys()))
    for test, outcome in sorted(outcomes.items()):
        if test in LEFT_OUT and outcome == "passed":
            yield f"{test} passes now: take it out of LEFT_OUT"
        elif test not in LEFT_OUT and outcome != "passed":
            yield f"{test} {outcome}: {told['reasons'][test][-1500:]}"


def test_every_test_that_is_not_left_out_passes(tmp_path):
    with LocalCluster(1) as cluster:
        told = run(cluster, tmp_path / "report.json", foul=False)

    assert [] == list(surprises(told))
    assert len(told["outcomes"]) > 90


def test_no_answer_changes_when_one_coordinator_is_killed_and_one_stalls(tmp_path):
    with LocalCluster(3) as cluster:
        told = run(cluster, tmp_path / "report.json", foul=True)

    assert [] == list(surprises(told))
    assert told["faults"].keys() == {
        "killed before a read",
        "killed before a write",
        "stalled before a read",
    }
    assert sum(told["faults"].values()) >= 10
