"""
No secret shows: in logs at debug level, reprs, errors, tracebacks with variables, pickles or files.

Each test runs a story with known secrets, failures above all, and shows what comes of it to
somebody who is `nosy`; at its end nothing must have been found.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from nosy import Nosy, forms

import impala_ha
from impala_ha import errors
from impala_ha.options.hosts import parse_hosts
from impala_ha.options.settings import Settings
from impala_ha.testing import LocalCluster
from real_servers import Certificates, Realm, missing

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(60),
]

KEY = "Gy6pLr0wTx: a key that signs tokens, of at least 32 bytes"
GOOD, WRONG, HEADER, PROXY = (
    "p4ssw0rd-Zq7Wm2Kx",
    "wr0ngw0rd-Hn5Vb8Tj",
    "h34der-Fd3Lc9Rs",
    "pr0xy-Jm6Xw1Qe",
)
HTTP = {"use_http_transport": True, "http_path": "cliservice"}
FORMS = pytest.mark.parametrize("form", [{}, HTTP], ids=["binary", "http"])


@pytest.fixture(scope="module")
def _guarded(certificates):
    pems = [certificates.of(f"127.0.0.{n}") for n in (1, 2)]
    with LocalCluster(2, auth="LDAP", users={"etl": GOOD}, tls=pems, http=True) as cluster:
        yield cluster


@pytest.fixture
def guarded(_guarded):
    yield _guarded
    _guarded.heal()


@pytest.fixture(scope="module")
def _tokens(certificates):
    pem = certificates.of("127.0.0.1", "127.0.0.2")
    with LocalCluster(2, auth="JWT", jwt_key=KEY, http=True, tls=pem) as cluster:
        yield cluster


@pytest.fixture
def tokens(_tokens):
    yield _tokens
    _tokens.heal()


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Where a program leaves what it leaves."""
    folder = tmp_path / "state"
    folder.mkdir()
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    return folder


@pytest.fixture
def nosy(state):
    reader = Nosy()
    reader.secrets = {
        "password": GOOD.encode(),
        "wrong password": WRONG.encode(),
        "header": HEADER.encode(),
        "password of the proxy": PROXY.encode(),
        "key of tokens": KEY.encode(),
    }
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "impala", "thrift", "impala_ha")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(reader)
    yield reader
    root.removeHandler(reader)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    reader.files(state)

    assert reader.read, "nothing was let out: the test tests nothing"
    assert [] == reader.found()


def connect(where, form, **options):
    """With a cluster of its own, in the order of the list."""
    cluster = impala_ha.Cluster(
        parse_hosts(where.http_hosts if form else where.hosts)[0], policy="ordered"
    )
    return impala_ha.connect(cluster, **{"deadline": 0.3, **form, **options})


def fails(nosy, where, form, kind=errors.Error, **options):
    with pytest.raises(kind) as caught:
        connect(where, form, **options)
    nosy.error(caught.value)
    return caught.value


def works(nosy, connection):
    """Look at everything in the hands of a caller, and at errors of statements."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT effective_user()")
        nosy.look(
            cursor, connection, connection.options, connection.cluster, connection.coordinator
        )
        nosy.look(*cursor.attempts, connection.cluster.snapshot(), cursor.fetchall())
        with pytest.raises(errors.Error) as caught:
            cursor.execute("SELECT nonsense FROM nowhere")
        nosy.error(caught.value)
        nosy.look(*vars(connection).values())


class Vault:
    """A function that returns the next of its values, and the last one again and again."""

    def __init__(self, *values):
        self.values = list(values)

    def __call__(self):
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if isinstance(value, Exception):
            raise value
        return value


def trusting(certificates, **options):
    return {
        "use_ssl": True,
        "ca_cert": certificates.ca,
        "auth_mechanism": "LDAP",
        "user": "etl",
    } | options


WAYS = pytest.mark.parametrize("way", ["text", "function", "command"])


def password(way, value):
    return {
        "text": {"password": value},
        "function": {"password": lambda: value},
        "command": {"password_cmd": f"printf {value}"},
    }[way]


# Is anybody nosy enough?


def leaks(secret):
    told = f"said {secret}"
    raise ValueError(len(told))


@pytest.mark.parametrize("how", ["log", "repr", "error", "cause", "file", "base64", "header"])
def test_what_leaks_is_found(how, tmp_path):
    reader = Nosy()
    reader.secrets = {"password": GOOD.encode()}
    error = ValueError("x")
    if how == "log":
        record = logging.LogRecord("x", 10, "x.py", 1, "login with %s", (GOOD,), None)
        reader.emit(record)
    elif how == "repr":
        reader.look({"password": GOOD})
    elif how == "error":
        reader.error(ValueError(f"wrong password {GOOD}"))
    elif how == "cause":
        error.__cause__ = OSError(GOOD)
        reader.error(error)
    elif how == "file":
        (tmp_path / "state.json").write_text(GOOD)
        reader.files(tmp_path)
    elif how == "base64":
        reader.look(list(forms(b"etl:" + GOOD.encode()))[-1])
    else:
        reader.look("authorization: Negotiate YIIabcdefgh0123")

    assert reader.found()


def test_what_leaks_into_a_variable_is_found():
    """As it does with impyla, whose frames have the password as it is."""
    import impala.dbapi  # noqa: PLC0415

    reader = Nosy()
    reader.secrets = {"password": GOOD.encode()}
    with pytest.raises(Exception) as caught:  # whatever impyla raises
        impala.dbapi.connect("127.0.0.1", 1, auth_mechanism="LDAP", user="etl", password=GOOD)
    reader.error(caught.value)

    assert any("password in" in line for line in reader.found())


# Passwords.


@FORMS
@WAYS
def test_logging_in_with_a_password(nosy, guarded, certificates, form, way):
    connection = connect(guarded, form, **trusting(certificates), **password(way, GOOD))

    works(nosy, connection)


@FORMS
@WAYS
def test_a_wrong_password(nosy, guarded, certificates, form, way):
    fails(nosy, guarded, form, **trusting(certificates), **password(way, WRONG))


@FORMS
def test_a_password_that_changed(nosy, guarded, certificates, form):
    connection = connect(guarded, form, **trusting(certificates, password=Vault(WRONG, GOOD)))

    works(nosy, connection)


@FORMS
@pytest.mark.parametrize(
    "options",
    [
        {"password": Vault(b"" + GOOD.encode())},
        {"password": Vault([GOOD])},
        {"password_cmd": f"sh -c 'echo {GOOD}; exit 3'"},
        {"password_cmd": f"{GOOD}"},
        {"password_cmd": f"printf '{GOOD}"},
        {"password_cmd": f"sh -c 'echo {GOOD}; exec sleep 60'", "connect_timeout": 0.3},
    ],
    ids=["bytes", "list", "status", "unknown", "quotes", "endless"],
)
def test_a_password_that_cannot_be_had(nosy, guarded, certificates, form, options):
    fails(nosy, guarded, form, errors.AuthenticationFailed, **trusting(certificates), **options)


@FORMS
def test_a_password_and_a_coordinator_that_dies(nosy, guarded, certificates, form):
    connection = connect(guarded, form, **trusting(certificates, password=GOOD))
    with connection.cursor() as cursor:
        guarded[0].cut("ExecuteStatement:response")
        with pytest.raises(errors.OutcomeUnknown) as caught:
            cursor.execute("CREATE TABLE lost (x INT)")
        nosy.error(caught.value)
        nosy.look(caught.value.resolve(5))
    connection.close()


@FORMS
@pytest.mark.parametrize("byte", [0, 8, 40])
def test_a_password_and_a_connection_that_is_cut_at_once(nosy, guarded, certificates, form, byte):
    for coordinator in guarded:
        coordinator.cut("connect", byte)
    fails_or_works = trusting(certificates, password=GOOD)
    try:
        works(nosy, connect(guarded, form, **fails_or_works))
    except errors.Error as error:
        nosy.error(error)


@FORMS
def test_a_password_and_nobody_there(nosy, guarded, certificates, form):
    for coordinator in guarded:
        coordinator.kill()
    try:
        fails(nosy, guarded, form, **trusting(certificates, password=GOOD))
    finally:
        for coordinator in guarded:
            coordinator.restart()


@FORMS
def test_a_password_and_a_silent_coordinator(nosy, guarded, certificates, form):
    for coordinator in guarded:
        coordinator.mute()
    fails(nosy, guarded, form, **trusting(certificates, password=GOOD, connect_timeout=0.5))


@FORMS
def test_a_password_and_a_certificate_that_is_not_trusted(nosy, guarded, form):
    with Certificates() as others:
        fails(nosy, guarded, form, **trusting(others, password=GOOD))


def test_a_password_and_mistakes_in_other_options(nosy, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_PASSWORD", WRONG)
    monkeypatch.setenv("IMPALA_HA_JWT", KEY)
    for options in (
        {"pasword": GOOD},
        {"password": [GOOD]},
        {"password": GOOD, "password_cmd": f"printf {GOOD}"},
        {"password": GOOD, "deadline": "soon"},
        {"password": GOOD, "jwt": GOOD, "auth_mechanism": "LDAP"},
        {"password": GOOD, "host": "etl:secret@a"},
        {"password_cmd": f"printf {GOOD}"},
        {"ldap_password": GOOD, "auth_mechanism": "nonsense"},
    ):
        with pytest.warns() if "ldap_password" in options else nullcontext():
            with pytest.raises(errors.ConfigurationError) as caught:
                impala_ha.connect(**{"host": "a", **options})
        nosy.error(caught.value)
    words = {"host": "a", "user": "etl", "password": GOOD, "auth_mechanism": "LDAP"}
    nosy.look(Settings.read(words, {}), Settings.read(words, {}).options)


# HTTP: cookies, gateways, headers, proxies, tokens.


def cookies(connection):
    """What the coordinators gave to a connection in place of the password."""
    jars = connection._failover.driver._http._cookies.values()
    return {c.text.partition("=")[2] for jar in jars for c in jar._cookies.values()}


def test_cookies(nosy, guarded, certificates):
    connection = connect(guarded, HTTP, **trusting(certificates, password=GOOD))
    values = cookies(connection)
    assert values
    nosy.secrets |= {f"cookie {n}": value.encode() for n, value in enumerate(values)}

    guarded[0].forget_cookies()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        guarded[0].answer_http(
            503, {"Set-Cookie": f"x={HEADER}"}, body=HEADER, call="ExecuteStatement"
        )
        with pytest.raises(errors.Error) as caught:
            cursor.execute("CREATE TABLE lost (x INT)")
        told = caught.value
        nosy.look(str(told), repr(told))
        guarded[0].kill()
        cursor.execute("SELECT 1")
    nosy.secrets |= {f"cookie {n} later": v.encode() for n, v in enumerate(cookies(connection))}
    works(nosy, connection)
    guarded[0].restart()


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 502, 503])
def test_gateways(nosy, guarded, certificates, status):
    headers = {
        "Location": f"https://etl:{HEADER}@127.0.0.1/login?token={HEADER}#{HEADER}",
        "Set-Cookie": f"gateway={HEADER}; Path=/",
        "WWW-Authenticate": f'Bearer error="{HEADER}"',
    }
    for coordinator in guarded:
        coordinator.answer_http(status, headers, times=50)

    fails(nosy, guarded, HTTP, **trusting(certificates, password=GOOD))


@pytest.mark.parametrize("value", [HEADER, f"{HEADER}\r\nX-Second: 1"], ids=["good", "two lines"])
def test_headers_of_the_users_own(nosy, guarded, certificates, value):
    def headers():
        return [("X-Api-Key", value)]

    options = trusting(certificates, password=GOOD, get_user_custom_headers_func=headers)
    if value == HEADER:
        works(nosy, connect(guarded, HTTP, **options))
        guarded[0].answer_http(404, times=50)
        guarded[1].answer_http(404, times=50)
    fails(nosy, guarded, HTTP, **options)


@pytest.mark.parametrize("tls", [True, False])
def test_proxies(nosy, guarded, certificates, monkeypatch, tls):
    """One that does not answer, and one that is a coordinator and does not understand."""
    monkeypatch.delenv("no_proxy")
    for proxy in ("127.0.0.1:1", parse_hosts(guarded.http_hosts)[0][0]):
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://etl:{PROXY}@{proxy}")
        options = trusting(certificates, password=GOOD)
        if not tls:
            options |= {"use_ssl": False}
        fails(nosy, guarded, HTTP, **options, connect_timeout=1)


jwt = pytest.importorskip("jwt")


def token(key=KEY, **claims):
    return jwt.encode({"exp": time.time() + 3600, "username": "etl", **claims}, key, "HS256")


@pytest.fixture
def tickets(nosy):
    """Tokens: a good one, and one that has ended."""
    good, old = token(), token(exp=time.time() - 3600)
    nosy.secrets |= {"token": good.encode(), "old token": old.encode()}
    nosy.secrets |= {"signature": good.rpartition(".")[2].encode()}
    return good, old


def bearing(certificates, **options):
    return {"use_ssl": True, "ca_cert": certificates.ca, "auth_mechanism": "JWT"} | options


def test_logging_in_with_a_token(nosy, tokens, certificates, tickets):
    good, old = tickets
    for given in (
        {"jwt": good},
        {"jwt": Vault(good)},
        {"jwt_cmd": f"printf {good}"},
        {"jwt": Vault(old, good)},
    ):
        works(nosy, connect(tokens, HTTP, **bearing(certificates, **given)))


def test_a_token_that_is_refused(nosy, tokens, certificates, tickets):
    for given in (
        {"jwt": tickets[1]},
        {"jwt": Vault(tickets[1])},
        {"jwt_cmd": f"printf {tickets[1]}"},
        {"jwt": f"{tickets[0]}\r\nX-Second: 1"},
        {"jwt": f"{tickets[0]}é"},
        {"jwt_cmd": f"sh -c 'echo {tickets[0]}; exit 1'"},
    ):
        fails(nosy, tokens, HTTP, **bearing(certificates, **given))


def test_a_token_and_a_coordinator_that_dies(nosy, tokens, certificates, tickets):
    connection = connect(tokens, HTTP, **bearing(certificates, jwt=tickets[0]))
    with connection.cursor() as cursor:
        tokens[0].cut("ExecuteStatement:response")
        with pytest.raises(errors.OutcomeUnknown) as caught:
            cursor.execute("CREATE TABLE lost (x INT)")
        nosy.error(caught.value)
    connection.close()


# The key of a client's certificate, and keytabs.


@FORMS
def test_the_key_of_a_client(nosy, certificates, form):
    with Certificates() as others:
        mine, strange = certificates.client("etl"), others.client("etl")
        for pem in (mine, strange):
            key = Path(pem).read_text("ascii").partition("-----END")[0].splitlines()[1:]
            nosy.secrets |= {f"line {n} of {pem}": line.encode() for n, line in enumerate(key)}
        pems = [certificates.of(f"127.0.0.{n}") for n in (1, 2)]
        with LocalCluster(2, tls=pems, client_ca=certificates.ca, http=True) as cluster:
            options = {"use_ssl": True, "ca_cert": certificates.ca}
            works(nosy, connect(cluster, form, **options, client_cert=mine))
            fails(nosy, cluster, form, **options, client_cert=strange)
            fails(nosy, cluster, form, **options, client_cert=mine, client_key=strange)


@pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi"))
def test_keytabs_and_tickets(nosy, monkeypatch):
    with Realm(hosts=("coord1.test", "coord2.test")) as realm:
        monkeypatch.setenv("KRB5_CONFIG", realm.config)
        keytab = realm.keytab("etl")
        content = Path(keytab).read_bytes()
        nosy.secrets |= {
            f"keytab {n}": content[n : n + 16] for n in range(40, len(content) - 16, 4)
        }
        with LocalCluster(
            2, auth="GSSAPI", keytab=realm.server_keytab, krb5_config=realm.config, http=True
        ) as cluster:
            for form in ({}, HTTP):
                hosts = ",".join(
                    f"{one.host}:{one.http_port if form else one.port}?krb_host=coord{n}.test"
                    for n, one in enumerate(cluster, 1)
                )
                options = {"auth_mechanism": "GSSAPI", "principal": "etl", "keytab": keytab}
                works(nosy, impala_ha.connect(hosts, **options, **form))
                for wrong in ({"kerberos_service_name": "hive"}, {"principal": "eve"}):
                    with pytest.raises(errors.Error) as caught:
                        impala_ha.connect(hosts, deadline=0.3, **{**options, **form, **wrong})
                    nosy.error(caught.value)
                for coordinator in cluster:
                    coordinator.cut("OpenSession:request")
                works(nosy, impala_ha.connect(hosts, **options, **form))


# The program.


@pytest.mark.parametrize(
    ("flags", "variables", "status"),
    [
        (["-l", "--ldap_password_cmd", f"printf {GOOD}"], {}, 0),
        (["-l", "--ldap_password_cmd", f"printf {WRONG}"], {}, 1),
        (["-l", "--ldap_password_cmd", f"sh -c 'echo {GOOD}; exit 3'"], {}, 2),
        (["-l"], {"IMPALA_HA_PASSWORD": GOOD}, 0),
        (["-l"], {"IMPALA_HA_PASSWORD": WRONG}, 1),
        (["-l"], {"IMPALA_HA_PASSWORD_CMD": f"sh -c 'echo {GOOD}; exit 3'"}, 1),
        (["-l", "--policy", "fastest"], {"IMPALA_HA_PASSWORD": GOOD}, 2),
    ],
)
def test_impala_connect(nosy, guarded, certificates, *, flags, variables, status):
    program = "from impala_ha.cli.connect import main; raise SystemExit(main())"
    done = subprocess.run(
        [
            sys.executable, "-X", "dev", "-W", "ignore", "-c", program, "-V", "--ssl",
            "--ca_cert", certificates.ca, "-u", "etl", "-i", guarded.hosts, "-e", "SELECT 1", *flags,
        ],
        capture_output=True, text=True, timeout=50, check=False, env={**os.environ, **variables},
    )  # fmt: skip
    nosy.read += [("standard output", done.stdout), ("standard error", done.stderr)]

    assert status == done.returncode, done.stderr
