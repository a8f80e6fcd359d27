"""Processes that fork while their threads log in by keytab: the children log in as well, in time."""

import os
import subprocess
import sys

import pytest

from impala_ha.testing import LocalCluster
from impala_ha.testing.servers import Realm, missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi")),
]

FORKS, THREADS = 40, 4

#: Arguments: hosts, keytab, how many forks, how many threads.  Says what became of the children.
FORKING = """
import collections, os, sys, threading
import impala_ha

hosts, keytab, forks, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
over = threading.Event()

def connect():
    words = {"auth_mechanism": "GSSAPI", "principal": "etl", "keytab": keytab}
    impala_ha.connect(hosts, connect_timeout=20, hedge_after=0, **words).close()

def again_and_again():
    while not over.is_set():
        connect()

workers = [threading.Thread(target=again_and_again) for _ in range(threads)]
connect()
for worker in workers:
    worker.start()
ended = collections.Counter()
for _ in range(forks):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            connect()
            code = 0
        finally:
            os._exit(code)
    ended[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])] += 1
over.set()
for worker in workers:
    worker.join()
print(dict(ended))
"""


def test_children_of_a_process_that_logs_in_all_the_time_log_in():
    with Realm() as realm:
        keys = {"keytab": realm.server_keytab, "krb5_config": realm.config}
        with LocalCluster(2, auth="GSSAPI", **keys) as cluster:
            words = [cluster.kerberos_hosts, realm.keytab("etl"), str(FORKS), str(THREADS)]
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", FORKING, *words],
                env={**os.environ, "KRB5_CONFIG": realm.config},
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )

    assert f"{{0: {FORKS}}}" == done.stdout.strip(), done.stderr
