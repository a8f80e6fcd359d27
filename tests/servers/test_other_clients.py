"""Clients that nobody here wrote connect to the local cluster: impala-shell and Hive's beeline.

impala-shell is built in a scratch environment that is kept in ``$TEST_IMPALA_HA_CACHE`` (default:
``~/.cache/impala-ha-tests``); its build needs the headers of SASL and Kerberos.  beeline comes with
Spark's jars, which are kept in the same place.  What cannot be had is skipped, with the reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from impala_ha.testing import LocalCluster
from real_servers import Certificates, Realm, cache_directory, missing

pytestmark = [pytest.mark.slow(60), pytest.mark.servers, pytest.mark.timeout(900)]

SHELL = "impala-shell==4.6.0"
HEADERS = "apt install gcc g++ python3-dev libsasl2-dev libkrb5-dev"
INSTALL_SECONDS = 600
RUN_SECONDS = 120

EXAMPLE = """
CREATE DATABASE IF NOT EXISTS shop;
CREATE TABLE shop.orders (id BIGINT, customer STRING, price DECIMAL(10,2), day DATE);
INSERT INTO shop.orders VALUES (1, 'ann', 9.90, CAST('2024-02-29' AS DATE)), (2, NULL, 5.00, NULL);
SELECT id, customer, price, day FROM shop.orders ORDER BY id;
SELECT count(*) AS n, sum(price) AS total FROM shop.orders;
"""


def run(command, seconds=RUN_SECONDS):
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def install(target, build):
    """Let *build* fill a directory, and give it the name *target* when it is complete."""
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        reason = build(fresh)
        if reason is None:
            fresh.rename(target)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    # Another test run may have been faster.
    if not target.exists():
        pytest.skip(f"{target.name} cannot be installed: {reason}")


@pytest.fixture(scope="module")
def impala_shell():
    """The command of impala-shell, in an environment of its own."""
    target = cache_directory() / SHELL

    def build(fresh):
        run([sys.executable, "-m", "venv", fresh])
        # An environment cannot be moved, its packages can.
        pip = [fresh / "bin" / "python", "-m", "pip", "install", "-q", SHELL]
        result = run([*pip, "--target", fresh / "packages"], INSTALL_SECONDS)
        return None if result.returncode == 0 else f"try {HEADERS}\n{result.stderr[-2000:]}"

    if not target.exists():
        install(target, build)
    return [
        *(sys.executable, "-I", "-c"),
        (
            f"import sys; sys.path.insert(0, {str(target / 'packages')!r}); "
            "from impala_shell.impala_shell import impala_shell_main; "
            "sys.argv[0] = 'impala-shell'; sys.exit(impala_shell_main())"
        ),
        "--protocol=hs2",
    ]


@pytest.fixture(scope="module")
def beeline(jars, tmp_path_factory):
    """The command of beeline, which keeps its history and its logs to itself."""
    home = tmp_path_factory.mktemp("beeline")
    places = [f"-Duser.home={home}", f"-Djava.io.tmpdir={home}"]
    return ["java", *places, "-cp", f"{jars}/*", "org.apache.hive.beeline.BeeLine"]


@pytest.fixture
def one():
    with LocalCluster(1) as cluster:
        yield cluster[0]


@pytest.fixture
def guarded():
    with LocalCluster(1, auth="PLAIN", users={"etl": "pw"}) as cluster:
        yield cluster[0]


def test_impala_shell_runs_the_example(impala_shell, one):
    result = run([*impala_shell, "-i", one.address, "-B", "-q", EXAMPLE])

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "Database has been created.",
        "Table has been created.",
        "1\tann\t9.90\t2024-02-29",
        "2\tNULL\t5.00\tNULL",
        "2\t14.90",
    ]
    assert "Modified 2 row(s), 0 row error(s)" in result.stderr
    assert f"Coordinator: http://{one.host}:" in result.stderr
    assert "WARNING" not in result.stderr


VALUES = """
SELECT 1 AS n, CAST(7 AS TINYINT) AS i, CAST(1.1 AS FLOAT) AS f, CAST(0.1 AS DOUBLE) AS d, 1e300 AS e,
 TRUE AS b, CAST(9.90 AS DECIMAL(10,2)) AS m, CAST('2024-02-29 01:02:03.5' AS TIMESTAMP) AS t,
 CAST('2024-02-29' AS DATE) AS day, 'a\tb' AS tab, 'say "x"' AS quote, 'a\nb' AS line, 'ü世' AS s, '' AS z
UNION ALL SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
ORDER BY n
"""


def test_impala_connect_writes_the_lines_of_impala_shell(impala_shell, one, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    words = ["-i", one.address, "-B", "--print_header", "-q", VALUES]
    connect = [sys.executable, "-c", "from impala_ha.cli.connect import main; exit(main())"]

    results = [run([*connect, *words, "-o", ours]), run([*impala_shell, *words, "-o", theirs])]

    assert [0, 0] == [result.returncode for result in results], results
    assert theirs.read_bytes() == ours.read_bytes()
    assert 4 == len(ours.read_text("utf-8").splitlines())  # one of them in two parts


def test_impala_shell_leaves_nothing_open(impala_shell, one, until):
    run([*impala_shell, "-i", one.address, "-q", "SELECT 1"])

    until(lambda: (one.connections, one.sessions, one.queries) == (0, [], []))


def test_impala_shell_shows_profile_and_summary(impala_shell, one):
    result = run([*impala_shell, "-i", one.address, "-q", "SELECT 1; PROFILE; SUMMARY"])

    assert result.returncode == 0, result.stderr
    assert "Sql Statement: SELECT 1" in result.stdout
    assert "00:QUERY" in result.stdout


def test_impala_shell_shows_options_and_sets_them(impala_shell, one):
    result = run([*impala_shell, "-i", one.address, "-q", "SET MEM_LIMIT=1g; SET; SELECT 1"])

    assert result.returncode == 0, result.stderr
    assert "MEM_LIMIT: 1g" in result.stdout


def test_impala_shell_tells_an_error_and_ends_with_1(impala_shell, one):
    result = run([*impala_shell, "-i", one.address, "-q", "SELECT * FROM nowhere"])

    assert result.returncode == 1
    assert "AnalysisException: Could not resolve table reference: 'nowhere'" in result.stderr


@pytest.mark.parametrize(("password", "status"), [("pw", 0), ("wrong", 1)])
def test_impala_shell_logs_in_with_a_password(impala_shell, guarded, password, status):
    login = ["-l", "-u", "etl", f"--ldap_password_cmd=printf {password}"]
    command = [*impala_shell, *login, "--auth_creds_ok_in_clear", "-i", guarded.address]
    result = run([*command, "-B", "-q", "SELECT effective_user()"])

    assert result.returncode == status
    assert result.stdout == ("etl\n" if status == 0 else "")


def over_http(command, coordinator):
    """impala-shell, which takes the protocol that is named last."""
    address = f"{coordinator.host}:{coordinator.http_port}"
    return [*command, "--protocol=hs2-http", "--auth_creds_ok_in_clear", "-B", "-i", address]


def test_impala_shell_speaks_http_on_one_connection_and_waits_for_a_gateway(impala_shell):
    with LocalCluster(1, http=True) as cluster:
        cluster[0].answer_http(503, {"Retry-After": "1"}, call="OpenSession")
        result = run([*over_http(impala_shell, cluster[0]), "-q", f"{EXAMPLE}; PROFILE; SUMMARY"])

        assert result.returncode == 0, result.stderr
        assert "in OpenSession. Num remaining tries: 3, retry after 1 secs" in result.stderr
        assert "2\t14.90\n" in result.stdout
        assert cluster[0].http_connections() == 1
        assert (cluster[0].sessions, cluster[0].queries) == ([], [])


@pytest.mark.parametrize(("password", "status"), [("pw", 0), ("wrong", 1)])
def test_impala_shell_logs_in_over_http_and_keeps_the_cookie(impala_shell, password, status):
    with LocalCluster(1, auth="LDAP", users={"etl": "pw"}, http=True) as cluster:
        login = ["-l", "-u", "etl", f"--ldap_password_cmd=printf {password}"]
        command = [*over_http(impala_shell, cluster[0]), *login]
        result = run([*command, "-q", "SELECT effective_user()"])

    assert result.returncode == status
    assert result.stdout == ("etl\n" if status == 0 else "")
    told = "Preserving cookies: impala.auth" if status == 0 else "HTTP code 401: Unauthorized"
    assert told in result.stderr


def test_impala_shell_shows_a_token(impala_shell):
    jwt = pytest.importorskip("jwt")
    key = "a secret that is long enough for its algorithm"
    token = jwt.encode({"username": "etl", "exp": time.time() + 60}, key, "HS256")
    with LocalCluster(1, auth="JWT", jwt_key=key, http=True) as cluster:
        command = [*over_http(impala_shell, cluster[0]), "-j", f"--jwt_cmd=printf {token}"]
        result = run([*command, "-q", "SELECT effective_user()"])

    assert (result.returncode, result.stdout) == (0, "etl\n"), result.stderr


LACKS = missing("realm", "gssapi")


@pytest.mark.skipif(bool(LACKS), reason=LACKS)
def test_impala_shell_shows_a_ticket_over_https(impala_shell, monkeypatch):
    with Realm() as realm, Certificates() as certificates:
        for name, value in realm.environment.items():
            monkeypatch.setenv(name, value)
        realm.kinit("etl")
        with LocalCluster(
            2,
            auth="GSSAPI",
            keytab=realm.server_keytab,
            krb5_config=realm.config,
            tls=[certificates.of(f"127.0.0.{number}") for number in (1, 2)],
            http=True,
        ) as cluster:
            login = ["-k", "-b", "coord2.test", "--ssl", f"--ca_cert={certificates.ca}"]
            command = [*over_http(impala_shell, cluster[1]), *login]
            result = run([*command, "-q", "SELECT effective_user()"])
            connections = cluster[1].http_connections()

    assert (result.returncode, result.stdout) == (0, f"etl@{realm.name}\n"), result.stderr
    assert connections == 1


def statements(text):
    return [word for part in text.split(";") if part.strip() for word in ("-e", part.strip())]


def test_beeline_runs_the_example(beeline, one):
    url = f"jdbc:hive2://{one.address}/default;auth=noSasl"
    result = run([*beeline, "-u", url, "--outputformat=tsv2", *statements(EXAMPLE)])

    assert result.returncode == 0, result.stderr
    for line in ["1\tann\t9.90\t2024-02-29", "2\tNULL\t5.00\tNULL", "n\ttotal", "2\t14.90"]:
        assert f"{line}\n" in result.stdout
    assert "Connected to: Impala (version impalad version 4.5.0" in result.stderr


def test_beeline_asks_for_metadata(beeline, one):
    url = f"jdbc:hive2://{one.address}/default;auth=noSasl"
    script = [*statements("CREATE TABLE found (x INT)"), "-e", "!tables", "-e", "!columns found"]
    result = run([*beeline, "-u", url, "--outputformat=tsv2", *script])

    assert result.returncode == 0, result.stderr
    assert "\tdefault\tfound\tTABLE\t" in result.stdout
    assert "\tdefault\tfound\tx\t4\tINT\t" in result.stdout


def test_beeline_leaves_nothing_open(beeline, one, until):
    url = f"jdbc:hive2://{one.address}/default;auth=noSasl"
    run([*beeline, "-u", url, "-e", "SELECT 1"])

    until(lambda: (one.connections, one.sessions, one.queries) == (0, [], []))


@pytest.mark.parametrize(("password", "status"), [("pw", 0), ("wrong", 1)])
def test_beeline_logs_in_with_a_password(beeline, guarded, password, status):
    url = f"jdbc:hive2://{guarded.address}/default"
    login = ["-n", "etl", "-p", password, "--outputformat=tsv2"]
    result = run([*beeline, "-u", url, *login, "-e", "SELECT effective_user() AS who"])

    assert result.returncode == status
    assert ("etl" in result.stdout.splitlines()) is (status == 0)


@pytest.mark.parametrize(("password", "status"), [("pw", 0), ("wrong", 1)])
def test_beeline_logs_in_over_http(beeline, password, status):
    with LocalCluster(1, auth="LDAP", users={"etl": "pw"}, http=True) as cluster:
        address = f"{cluster[0].host}:{cluster[0].http_port}"
        url = f"jdbc:hive2://{address}/default;transportMode=http;httpPath=cliservice"
        login = ["-n", "etl", "-p", password, "--outputformat=tsv2"]
        result = run([*beeline, "-u", url, *login, "-e", "SELECT effective_user() AS who"])

        assert (cluster[0].sessions, cluster[0].queries) == ([], [])
    assert result.returncode == status
    assert ("etl" in result.stdout.splitlines()) is (status == 0)
    assert ("HTTP Response code: 401" in result.stderr) is (status == 1)
