"""Each command of the page "Where hosts come from" is run, with names of ours in place of the page's."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from pages import DOCS, blocks

from load_pages import PASSWORD, USER, LoadPages, basic
from real_servers import NameServer, ZooKeeperServer, missing

LIMIT = 60
NAME, SERVICE = "impala.example.test", "_impala._tcp.example.test"
SHELL = [block for block in blocks(DOCS / "hosts.md") if block.kind == "sh"]
COMMANDS = [line for block in SHELL if not block.needs for line in block.text.splitlines()]
needs_names = pytest.mark.skipif(bool(missing("names", "dns")), reason=missing("names", "dns"))
lacks = missing("zookeeper", "kazoo")
pytestmark = [pytest.mark.slow(10), pytest.mark.servers]


def command(beginning, lines=COMMANDS, **ours):
    """The one line of the page that begins so, as words."""
    (line,) = (each for each in lines if each.startswith(beginning))
    for name, other in ours.items():
        assert name in line
        line = line.replace(name, other)
    module = {"impala-connect": "connect", "impala-ha": "operator"}[line.split()[0]]
    code = f"import sys; from impala_ha.cli.{module} import main; sys.exit(main())"
    return [sys.executable, "-c", code, *shlex.split(line)[1:]]


def ran(words, **more):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "no_proxy": "*"}
    return subprocess.run(
        words,
        env={**environment, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def names():
    with NameServer("127.26.1.53") as server:
        yield server


def test_the_page_has_a_command_for_each_scheme_and_no_other():
    begun = {line.partition("://")[0] for line in COMMANDS}

    schemes = ("dns", "srv", "file", "backends", "zookeeper")
    assert {*(f"impala-connect -i {each}" for each in schemes), "impala-ha doctor -i dns"} == begun


@needs_names
@pytest.mark.parametrize("program", ["impala-connect", "impala-ha doctor"])
def test_dns(names, cluster, program):
    names.serve({NAME: [each.host for each in cluster]})
    ours = {"impala.example.com:21050": f"{NAME}:{cluster[0].port}"}

    done = ran(names.seen_by(command(f"{program} -i dns://", **ours)))

    assert 0 == done.returncode, done.stderr
    if program == "impala-connect":
        assert "1\n" == done.stdout
    else:
        assert all(each.address in done.stdout for each in cluster)


@needs_names
def test_srv(names, cluster):
    targets = [(f"c{n}.example.test", each.port, 0, 1) for n, each in enumerate(cluster)]
    hosts = {f"c{n}.example.test": [each.host] for n, each in enumerate(cluster)}
    names.serve(hosts, {SERVICE: targets})

    done = ran(
        names.seen_by(command("impala-connect -i srv://", **{"_impala._tcp.example.com": SERVICE}))
    )

    assert (0, "1\n") == (done.returncode, done.stdout), done.stderr


def test_file(cluster, tmp_path):
    path = tmp_path / "hosts"
    path.write_text("".join(f"{each.address}\n" for each in cluster))

    done = ran(command("impala-connect -i file://", **{"/etc/impala/hosts": str(path)}))

    assert (0, "1\n") == (done.returncode, done.stdout), done.stderr


def test_backends(cluster):
    ours = {f"coord{n}.example.com:25000": cluster[n].web_address for n in (1, 2)}

    done = ran(command("impala-connect -i backends://", **ours))

    assert (0, "1\n") == (done.returncode, done.stdout), done.stderr


def test_backends_with_a_login(cluster):
    (block,) = (block for block in SHELL if block.needs)
    export, *lines = block.text.splitlines()
    given = dict(word.split("=", 1) for word in shlex.split(export)[1:])
    given["IMPALA_HA_WEB_PASSWORD"] = PASSWORD
    with LoadPages("127.33.0.4", login=basic) as web:
        web.pages["/backends"] = {"backends": [{"address": f"{cluster[0].host}:27000"}]}
        web.pages["/varz"] = {"flags": [{"name": "hs2_port", "current": str(cluster[0].port)}]}
        ours = {
            "coord1.example.com:25000": f"127.33.0.4:{web.port}",
            "coord2.example.com:25000": "127.33.0.4:1",
        }
        done = ran(command("impala-connect", lines, **ours), **given)

    assert (0, "1\n") == (done.returncode, done.stdout), done.stderr
    assert given["IMPALA_HA_WEB_USER"] == USER


@pytest.mark.skipif(bool(lacks), reason=lacks)
def test_zookeeper(cluster):
    from kazoo.client import KazooClient  # noqa: PLC0415 - it may not be there

    with ZooKeeperServer("127.26.0.4") as server:
        client = KazooClient(server.address)
        client.start()
        node = f"/hiveserver2/serverUri={cluster[0].address};version=4.0.1;sequence=0"
        client.create(node, makepath=True)
        client.stop()
        client.close()
        ours = {"zk1.example.com:2181,zk2.example.com:2181": server.address}

        done = ran(command("impala-connect -i zookeeper://", **ours))

    assert (0, "1\n") == (done.returncode, done.stdout), done.stderr
