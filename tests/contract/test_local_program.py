"""`impala-ha local` as it is typed: it starts, tells how to use and hurt it, and ends."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys

import impala.dbapi
import pytest

from real_servers import Certificates, Realm, missing

pytestmark = pytest.mark.servers

PROGRAM = [
    sys.executable,
    "-c",
    "import sys; from impala_ha.cli.operator import main; sys.exit(main())",
]


def program(*words):
    return subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False
    )


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


@pytest.fixture
def running():
    """The program with two coordinators, and what it has printed."""
    with started("-n", "2") as pair:
        yield pair


@contextlib.contextmanager
def started(*words):
    command = [*PROGRAM, "local", "--port", free_port(), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        while not (lines and "Ctrl-C" in lines[-1]):
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        yield process, "".join(lines)
        process.kill()


def test_it_prints_hosts_that_answer(running):
    _, text = running
    hosts = re.search(r"export IMPALA_HA_HOSTS=(\S+)", text)[1].split(",")
    for host in hosts:
        name, port = host.split(":")
        connection = impala.dbapi.connect(name, int(port))
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
        cursor.close()
        connection.close()

    assert len(hosts) == 2


def test_it_asks_for_the_passwords_of_a_file_over_tls_and_tells_how_to_get_in(tmp_path):
    (tmp_path / "users").write_text("etl:s3:cret\nbob:pw\n", "utf-8")
    with Certificates() as certificates:
        pem = certificates.of("127.0.0.1")
        words = ["--auth", "LDAP", "--users", str(tmp_path / "users"), "--tls", pem, "--http"]
        with started("-n", "1", *words) as (_, text):
            host, port = re.search(r"IMPALA_HA_HOSTS=([\d.]+):(\d+)", text).groups()
            connection = impala.dbapi.connect(
                host,
                int(port),
                use_ssl=True,
                ca_cert=certificates.ca,
                auth_mechanism="LDAP",
                user="etl",
                password="s3:cret",
            )
            connection.close()

    assert "impala-connect -l -u NAME --ssl --ca_cert CA.pem -e" in text
    assert re.search(rf"over HTTP: {host}:\d+\n", text)
    assert "s3:cret" not in text


@pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi"))
def test_it_names_the_services_of_a_kerberized_cluster():
    with Realm(hosts=["a1.test", "a2.test"]) as realm:
        words = ["--keytab", realm.server_keytab, "--krb5-config", realm.config]
        with started("-n", "2", "--auth", "GSSAPI", "--principals", "impala/a{}.test", *words) as (
            _,
            text,
        ):
            hosts = re.search(r"IMPALA_HA_HOSTS=(\S+)", text)[1]

    assert re.fullmatch(r"[\d.]+:\d+\?krb_host=a1.test,[\d.]+:\d+\?krb_host=a2.test", hosts)
    assert "impala-connect -k -e" in text
    assert re.search(r"impala-shell .* -k -b a1.test\n", text)


@pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi"))
def test_a_keytab_without_the_right_keys_is_reported_and_nothing_is_started():
    with Realm(hosts=["coord1.test"]) as realm:
        words = ["--keytab", realm.server_keytab, "--krb5-config", realm.config]
        result = program("local", "-n", "2", "--port", free_port(), "--auth", "GSSAPI", *words)

    assert result.returncode == 2
    assert "Error: coordinator 1 did not start: " in result.stderr
    assert "impala/coord2.test" in result.stderr


def test_a_bad_line_in_the_file_of_passwords_is_reported_by_its_number_only(tmp_path):
    (tmp_path / "users").write_text("etl:pw\ns3cret\n", "utf-8")
    result = program("local", "--auth", "LDAP", "--users", str(tmp_path / "users"))

    assert result.returncode == 2
    assert "line 2 is not NAME:PASSWORD" in result.stderr
    assert "s3cret" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(running, number):
    process, text = running
    host, port = re.search(r"IMPALA_HA_HOSTS=([\d.]+):(\d+)", text).groups()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (0, "", "All coordinators are stopped.\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_the_orders_that_it_prints_work(running):
    _, text = running
    orders = re.findall(r"impala-ha (local --attach .*)", text)
    results = [program(*order.split()) for order in orders]

    assert len(orders) == 4
    assert [result.stderr for result in results] == [""] * 4
    assert re.search(r"0  \S+ +pid \d+, 0 connections, 0 sessions, 0 queries\n", results[3].stdout)


def test_status_tells_the_dead_and_the_hung(running):
    _, text = running
    directory = re.search(r"--attach (\S+)", text)[1]
    program("local", "--attach", directory, "kill", "0")
    program("local", "--attach", directory, "hang", "127.0.0.2")
    status = program("local", "--attach", directory, "status").stdout.splitlines()

    assert status[0].endswith(" dead")
    assert status[1].endswith(", hangs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["local", "-n", "0"], "n must be between 1 and 250, not 0"),
        (["local", "-n", "many"], "'many' is not a valid integer"),
        (["local", "--port", "70000"], "port must be between 1 and 65535, not 70000"),
        (["local", "--data", "/no/such/folder"], "'/no/such/folder' does not exist"),
        (["local", "--flag", "fe_threads=1"], "did you mean fe_service_threads"),
        (["local", "--flag", "x"], "'x' is not NAME=VALUE"),
        (["local", "--auth", "LDAP"], "auth='LDAP' needs users"),
        (["local", "--auth", "GSSAPI"], "auth='GSSAPI' needs a keytab"),
        (["local", "--tls", "/no/such.pem"], "'/no/such.pem' does not exist"),
        (["local", "kill", "0"], "'kill' needs --attach DIR"),
        (["local", "--attach", "/no/such/folder", "status"], "no local cluster lives in"),
        (["local", "--attach", "/no/such/folder"], "--attach needs a command: status, heal"),
        (["local", "--attach", "/no/such/folder", "kil", "0"], "did you mean kill?"),
        (["locl"], "Did you mean local?"),
    ],
)
def test_bad_input_is_reported_in_words_and_with_exit_code_2(words, message):
    result = program(*words)

    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (["kill"], "usage: kill COORDINATOR"),
        (["kill", "9"], "no such coordinator '9'; there are 0 (127.0.0.1:"),
        (["kill", "0", "1"], "usage: kill COORDINATOR"),
        (["delay", "0", "soon"], "could not convert string to float"),
        (["delay", "0", "1", "FetchResult"], "did you mean FetchResults"),
        (["cut", "0", "nowhere"], "phase must be"),
    ],
)
def test_an_order_that_makes_no_sense_is_reported(cluster, order, message):
    result = program("local", "--attach", str(cluster.directory), *order)

    assert result.returncode == 2
    assert message in result.stderr


def test_a_taken_port_is_reported_and_nothing_is_started(cluster):
    result = program("local", "-n", "1", "--port", str(cluster[0].port))

    assert result.returncode == 2
    assert re.search(r"Error: .*cannot use 127\.0\.0\.1:\d+: Address already in use", result.stderr)


def test_without_click_it_says_what_to_type():
    hide = (
        "import sys; sys.modules['click'] = None;"
        "from impala_ha.cli.operator import main; sys.exit(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", hide, "local"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 2
    assert result.stderr.startswith("impala-ha: click ")
    assert result.stderr.endswith("pip install 'impala-ha[local]'\n")


def test_a_missing_package_is_told_with_what_to_type():
    hide = (
        "import sys, importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'duckdb' else real(name, *a);"
        "from impala_ha.cli.operator import main; sys.exit(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", hide, "local"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 2
    assert result.stderr == "Error: duckdb is not installed: pip install 'impala-ha[local]'\n"
