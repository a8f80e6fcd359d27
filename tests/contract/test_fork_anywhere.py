"""
A fork while another thread holds any lock, ours or a library's, and the child that connects then.

A lock that is held by a thread which a child does not have is held for ever.  So a thread connects,
reads and fails, line by line; it stops once in each block of ``with`` and in each module that is
imported on the way, and there the process forks.

As a soak, at each line within one: ``SOAK_FORKS=1``.
"""

import json
import os
import subprocess
import sys

import pytest

SOAK = "SOAK_FORKS" in os.environ

pytestmark = [pytest.mark.slow(60), pytest.mark.timeout(7200 if SOAK else 300)]

#: Arguments: options as JSON, and whether to stop at each line.  Prints where a child hung or
#: failed, and how many there were.
FORKING = """
import ast, functools, json, os, signal, sys, threading, traceback
import impala_ha

options, every_line = json.loads(sys.argv[1]), sys.argv[2] == "1"
LIMIT = 60  # seconds for a child
inherited = []

def work():
    connection = impala_ha.connect(**options)
    inherited[:] = [connection]
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS a")
    assert [(1,)] == cursor.fetchall()
    cursor.execute("SELECT 1 AS a")
    assert cursor.fetchcbatch()
    try:
        cursor.execute("SELECT nobody")
    except impala_ha.Error:
        pass
    connection.close()

@functools.lru_cache(None)
def blocks(name):
    try:
        with open(name) as file:
            tree = ast.parse(file.read())
    except OSError:
        return {}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    return {line: node.lineno for node in nodes for line in range(node.lineno + 1, node.end_lineno + 1)}

def block(frame):
    while frame is not None:
        name = frame.f_code.co_filename
        if frame.f_code.co_name == "<module>":
            return name
        if name != "<string>" and frame.f_lineno in blocks(name):
            return name, blocks(name)[frame.f_lineno]
        frame = frame.f_back
    return None

at, forking, forked, seen = threading.Event(), threading.Event(), threading.Event(), set()
OURS = ("impala_ha", "functools", "weakref", "_weakrefset", "logging", "encodings")
over, where = False, None

def trace(frame, event, arg):
    name = frame.f_code.co_filename
    if not any(each in name for each in OURS):
        return None
    global where
    found = event == "line" and block(frame)
    here = (name, frame.f_lineno) if found and every_line else found
    if here and here not in seen:
        where = here
        seen.add(where)
        forking.clear()
        forked.clear()
        at.set()
        forking.wait()
        forked.wait(0.3)  # a fork that waits for it begins only then
    return trace

def watched():
    global over
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
        over = True
        at.set()

os.register_at_fork(before=forking.set, after_in_parent=forked.set)
thread = threading.Thread(target=watched)
thread.start()
wrong = []
while True:
    at.wait()
    at.clear()
    if over:
        break
    if not (pid := os.fork()):
        code = 1
        try:
            signal.alarm(LIMIT)
            for each in inherited:
                try:
                    each.cursor()
                except impala_ha.InterfaceError:
                    each.close()
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if code := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        wrong.append([str(where), code])
thread.join()
print(json.dumps({"wrong": wrong, "forks": len(seen)}))
"""


def by_name(cluster):
    return {"host": "localhost", "port": int(cluster.hosts.rpartition(":")[2])}


def by_http(cluster):
    return {"host": cluster.http_hosts, "use_http_transport": True}


def by_load(cluster):
    return {"host": cluster.hosts, "policy": "least_loaded"}


@pytest.mark.parametrize("options", [by_name, by_http, by_load])
def test_a_child_connects_wherever_a_thread_of_its_parent_stood(over_http, options, tmp_path):
    words = {**options(over_http), "hedge_after": 0.001, "connect_timeout": 40}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, json.dumps(words), str(int(SOAK))],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "IMPALA_HA_SHARE_STATE": "1"},
        capture_output=True,
        text=True,
        timeout=None if SOAK else 280,
        check=True,
    )
    told = json.loads(done.stdout)

    assert [] == told["wrong"], done.stderr
    assert told["forks"] > 30
