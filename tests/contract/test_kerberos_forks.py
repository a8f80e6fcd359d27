"""Processes that fork while their threads log in by keytab: the children log in as well, in time.

As a soak: ``make soak-forks``.
"""

import json
import os
import subprocess
import sys

import pytest
from kerberized import MARKS, kerberized

SOAK = "SOAK_FORKS" in os.environ
FORKS = int(os.environ.get("SOAK_FORKS", "40"))
THREADS = 8 if SOAK else 4
SECONDS = 60  # for a child; its connect_timeout is 20

pytestmark = [pytest.mark.slow(10), *MARKS, pytest.mark.timeout(7200 if SOAK else 120)]

#: Arguments: hosts, keytab, backend, how many forks and threads, and the seconds after which a
#: child hangs.
#: Says how the children ended and what the slowest of them took, in seconds.
FORKING = """
import collections, json, os, signal, sys, threading, time
import impala_ha

hosts, keytab, backend, *numbers = sys.argv[1:]
forks, threads, limit = map(int, numbers)
over = threading.Event()

def connect():
    words = {"auth_mechanism": "GSSAPI", "principal": "etl", "keytab": keytab}
    words |= {"connect_timeout": 20, "hedge_after": 0, "kerberos_backend": backend}
    impala_ha.connect(hosts, **words).close()

def again_and_again():
    while not over.is_set():
        connect()
        logins.append(1)

logins = []
workers = [threading.Thread(target=again_and_again) for _ in range(threads)]
connect()
for worker in workers:
    worker.start()
ended, took = collections.Counter(), []
for _ in range(forks):
    start = time.monotonic()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.alarm(limit)  # ends it wherever it is, also in a C library
            connect()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ended["hung" if code == -signal.SIGALRM else "failed" if code else "logged in"] += 1
    took.append(time.monotonic() - start)
over.set()
for worker in workers:
    worker.join()
print(json.dumps({"ended": ended, "slowest": max(took), "logins meanwhile": len(logins)}))
"""


@pytest.mark.parametrize("backend", ["system", "gssapi"])
def test_children_of_a_process_that_logs_in_all_the_time_log_in(realm, backend):
    with kerberized(realm) as cluster:
        numbers = map(str, (FORKS, THREADS, SECONDS))
        words = [cluster.kerberos_hosts, realm.keytab("etl"), backend, *numbers]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORKING, *words],
            env={**os.environ, "KRB5_CONFIG": realm.config},
            capture_output=True,
            text=True,
            timeout=None if SOAK else 100,
            check=False,
        )
    if SOAK:
        sys.stdout.write(done.stdout)

    assert {"logged in": FORKS} == json.loads(done.stdout)["ended"], done.stderr
