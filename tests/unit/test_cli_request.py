"""The options mean together what impala-shell's mean, and a mistake is reported before anything opens."""

from __future__ import annotations

import getpass
import io
import os
import sys
from pathlib import Path

import click
import pytest

from impala_ha.auth import gss_library
from impala_ha.cli._options import command
from impala_ha.cli.connect import arguments, credentials
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.credentials import secret, user_name
from impala_ha.cli.connect.notes import Verbosity
from impala_ha.cli.connect.output import Delimited, Table, Vertical
from impala_ha.cli.connect.parquet import Parquet
from impala_ha.cli.connect.records import JsonLines, Markdown
from impala_ha.cli.connect.request import Request, request
from impala_ha.core.extras import MissingExtra
from impala_ha.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    kept = {"PATH": os.environ["PATH"], "USER": "ada"}
    monkeypatch.setattr(os, "environ", kept)


@pytest.fixture
def stdin(monkeypatch):
    """Stands in for standard input: call it with what it holds, and whether it is a terminal."""

    def arrange(raw, *, terminal=False):
        class Input(io.TextIOWrapper):
            def isatty(self):
                return terminal

        monkeypatch.setattr(sys, "stdin", Input(io.BytesIO(raw)))

    return arrange


SAME = [
    ["-e", "select 1"],
    ["-eselect 1"],
    ["-q", "select 1"],
    ["-qselect 1"],
    ["--query=select 1"],
    ["--query", "select 1"],
    ["-i", "-e", "select 1"],
    ["-i", "-eselect 1"],
    ["-Be", "select 1"],
]


@pytest.mark.parametrize("words", SAME)
def test_sql_is_given_attached_or_apart_by_its_old_names(words):
    assert [statement.text for statement in asked(*words).script] == ["select 1"]


@pytest.mark.parametrize(
    "words", [["-i", "a,b:1"], ["-ia,b:1"], ["--impalad=a,b:1"], ["--impalad", "a,b:1"]]
)
def test_hosts_are_given_attached_or_apart(words):
    assert asked(*words, "-eselect 1").connect == {"host": "a,b:1"}


def test_hosts_that_are_not_given_are_left_to_the_environment():
    assert asked("-e", "select 1").connect == {}
    assert asked("-i", "-e", "select 1").connect == {}


@pytest.mark.parametrize("words", [["-"], ["-f", "-"], ["-f-"], []])
def test_sql_comes_from_standard_input_when_that_is_named_or_a_pipe(words, stdin):
    stdin(b"select 1;")

    found = asked(*words)

    assert (found.script[0].text, found.origin) == ("select 1", "standard input")


def test_a_terminal_without_sql_is_not_waited_for(stdin):
    stdin(b"", terminal=True)

    with pytest.raises(BadInput, match="nothing to run"):
        asked("-i", "a")


@pytest.mark.parametrize(
    ("words", "message"), [([], "nothing to run"), (["-"], "standard input is closed")]
)
def test_a_closed_standard_input_is_no_sql(words, message, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(BadInput, match=message):
        asked(*words)


def test_a_closed_standard_output_needs_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", None)

    with pytest.raises(BadInput, match="standard output is closed"):
        asked("-e", "select 1")
    assert asked("-e", "select 1", "-o", str(tmp_path / "out"))


def test_an_output_named_hyphen_is_standard_output():
    assert asked("-o", "-", "-e", "select 1").destination.open() is sys.stdout


def test_a_file_is_read_whole_with_its_mark_left_out(tmp_path):
    file = tmp_path / "etl.sql"
    file.write_bytes(b"\xef\xbb\xbfselect 1;\nselect 2;")

    found = asked("-f", str(file))

    assert [statement.text for statement in found.script] == ["select 1", "select 2"]
    assert found.origin == str(file)


def test_every_option_of_the_connection_reaches_connect(tmp_path):
    import trustme  # noqa: PLC0415  # its import costs more than most tests

    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority = trustme.CA()
    client = authority.issue_cert("ada")
    authority.cert_pem.write_to_path(ca)
    client.cert_chain_pems[0].write_to_path(cert)
    client.private_key_pem.write_to_path(key)

    found = asked(
        "-i", "a,b", "-d", "sales", "-u", "ada", "-s", "hive", "-b", "lb.example.com", "--ssl",
        f"--ca_cert={ca}", "--verify_cert", "--policy", "random", "--connect_timeout", "2",
        "--deadline", "30", "--client_cert", str(cert), "--client_key", str(key),
        "--doas_user", "bob", "-e", "select 1",
    )  # fmt: skip

    assert found.connect == {
        "host": "a,b",
        "database": "sales",
        "user": "ada",
        "kerberos_service_name": "hive",
        "krb_host": "lb.example.com",
        "use_ssl": True,
        "ca_cert": str(ca),
        "verify_cert": True,
        "client_cert": str(cert),
        "client_key": str(key),
        "doas_user": "bob",
        "policy": "random",
        "connect_timeout": 2.0,
        "deadline": 30.0,
    }


def test_kerberos_may_log_in_with_a_keytab(tmp_path):
    keytab = tmp_path / "etl.keytab"
    keytab.touch()

    found = asked("-k", "--principal", "etl", "--keytab", str(keytab), "-b_HOST.x", "-eselect 1")

    assert found.connect == {
        "auth_mechanism": "GSSAPI",
        "principal": "etl",
        "keytab": str(keytab),
        "krb_host": "_HOST.x",
    }


@pytest.mark.parametrize("flag", ["--principal", "--keytab"])
def test_the_options_of_kerberos_need_kerberos(flag):
    with pytest.raises(BadInput, match=f"{flag} needs -k"):
        asked(flag, "x", "-eselect 1")


def test_a_file_that_is_no_certificate_is_reported_before_a_password_is_asked_for(monkeypatch):
    monkeypatch.setattr(arguments, "secret", lambda *_: pytest.fail("asked"))

    with pytest.raises(ConfigurationError, match="ca_cert must be a file with certificates"):
        asked("-l", "--ssl", "--ca_cert", __file__, "-e", "select 1")


SHORTENED = [
    (["--output_delim=,", "-B"], ["--output_delimiter=,", "-B"]),
    (["--query=select 2", "--print", "-B"], ["--query=select 2", "--print_header", "-B"]),
    (["--fetch-s", "7"], ["--fetch_size", "7"]),
    (["--datab=x", "-e", "--q\nselect 1"], ["--database=x", "-e", "--q\nselect 1"]),
]


@pytest.mark.parametrize(("short", "long"), SHORTENED)
def test_a_long_option_may_be_shortened(short, long):
    sql = [] if {"-e", "--query=select 2"} & set(long) else ["-e", "select 1"]
    found, meant = asked(*short, *sql), asked(*long, *sql)

    assert (found.connect, found.script) == (meant.connect, meant.script)
    assert (found.fetch_size, str(found.form)) == (meant.fetch_size, str(meant.form))


OF_IMPALA_SHELL = [
    ["--live_progress"],
    ["--disable_live_progress"],
    ["--live_summary"],
    ["--history_file", "/tmp/h"],
    ["--connect_max_tries=4"],
    ["--http_socket_timeout_s", "None"],
    ["--no_http_tracing"],
    ["--use_new_http_connection"],
    ["--beeswax_compat_num_rows"],
    ["--rpc_file=/tmp/x"],
    ["--rpc_stdout"],
    ["--strict_hs2_protocol"],
    ["--profile_output=/tmp/never-written"],
    ["--profile_format=json"],
]


@pytest.mark.parametrize("words", OF_IMPALA_SHELL)
def test_what_changes_no_result_is_taken(words):
    found, plain = asked(*words, "-e", "select 1"), asked("-e", "select 1")

    assert (found.connect, found.script) == (plain.connect, plain.script)
    assert str(found.form) == str(plain.form)


def test_beeswax_is_spoken_as_hiveserver2_and_numbers_look_as_they_did():
    found = asked("--protocol=beeswax", "-e", "select 1")

    same = asked("--hs2_fp_format=16G", "-e", "select 1")
    other = asked("--protocol=beeswax", "--hs2_fp_format=.1f", "-e", "select 1")
    assert (found.connect, str(found.form)) == ({"use_http_transport": False}, str(same.form))
    assert str(found.form) != str(other.form)


def test_cookies_and_profiles_are_what_was_asked_for(tmp_path):
    out = tmp_path / "profiles"
    found = asked(
        "--http_cookie_names=a,b", "-p", f"--profile_output={out}", "--profile_format=JSON",
        "-e", "select 1",
    )  # fmt: skip

    assert found.connect == {"http_cookie_names": "a,b"}
    names = ("show_profiles", "profile_output", "profile_format")
    assert [found.look[name] for name in names] == [True, str(out), "json"]
    plain = asked("-e", "select 1").look
    assert [plain[name] for name in names] == [False, None, "string"]


def test_an_oauth_token_is_sent_as_a_json_web_token_is():
    found = asked("-a", "--ssl", "--protocol=hs2-http", "--oauth_cmd", "echo a.b", "-e", "select 1")

    assert (found.connect["auth_mechanism"], found.connect["jwt"]()) == ("JWT", "a.b")


def test_the_password_of_tests_is_the_one_of_impala_shell():
    found = asked("-l", "--ssl", "--use_ldap_test_password", "-e", "select 1")

    assert found.connect["password"] == "password"


def test_an_empty_user_is_anonymous_and_not_the_one_of_the_system():
    assert asked("--user=", "-e", "select 1").connect == {"user": ""}


CONFIG = """
[impala]
impalad=a,b
d=sales
write_delimited=true
vertical=False
ssl=false
ca_cert=None
var=x=1,var=y=2
keyval=z=3
fetch_size=7
query=select ${var:x}, ${var:y}, ${var:z}

[impala.query_options]
mt_dop=2
MEM_LIMIT=1g
"""


def test_a_file_of_options_is_read_and_the_command_line_wins(tmp_path):
    file = tmp_path / "rc"
    file.write_text(CONFIG)

    found = asked("--config_file", str(file), "-d", "other", "-Q", "mem_limit=2g")

    assert found.connect == {"host": "a,b", "database": "other"}
    assert [statement.text for statement in found.script] == ["select 1, 2, 3"]
    assert found.query_options == {"MT_DOP": "2", "MEM_LIMIT": "2g"}
    assert found.fetch_size == 7
    assert isinstance(found.form(["a"]), Delimited)


def test_sql_and_loudness_of_the_command_line_leave_nothing_of_the_files(tmp_path):
    file = tmp_path / "rc"
    file.write_text("[impala]\nquery=select 1\nverbose=true\nlive_progress=false\n")

    found = asked("--config_file", str(file), "-e", "select 2", "--quiet", "--live_progress")

    assert [statement.text for statement in found.script] == ["select 2"]
    assert found.verbosity is Verbosity.QUIET
    assert found.look["live_progress"] is True


def test_options_that_are_none_are_warned_of_and_passed_over(tmp_path):
    file = tmp_path / "rc"
    file.write_text("[impala]\nconfig_file=x\nimpalda=a\nverbose=false\nhistory_max=7\n")

    with pytest.warns(UserWarning, match="WARNING: ") as warned:
        found = asked("--config_file", str(file), "-e", "select 1")

    assert [str(each.message).partition("WARNING: ")[2] for each in warned] == [
        "Option 'config_file' can be only set from shell.",
        (
            "Unable to read configuration file correctly. "
            "Ignoring unrecognized config option: 'impalda'"
        ),
    ]
    assert found.verbosity is Verbosity.QUIET


def test_an_address_before_a_gateway_is_a_header():
    found = asked("--protocol=hs2-http", "--hs2_x_forward=10.0.0.7", "-e", "select 1")

    assert found.connect["get_user_custom_headers_func"]() == [("X-Forwarded-For", "10.0.0.7")]


@pytest.mark.parametrize(
    ("words", "form"),
    [
        (["--output_format=json"], JsonLines),
        (["--output_format=markdown"], Markdown),
        (["--output_format=DELIMITED"], Delimited),
        (["--output_format=vertical", "-E"], Vertical),
        (["--output_format=table"], Table),
    ],
)
def test_the_form_may_be_named(words, form):
    assert isinstance(asked(*words, "-e", "select 1").form(["a"]), form)


BAD_CONFIGS = [
    (None, "No such file or directory"),
    (b"impalad=a", "cannot be read: File contains no section headers"),
    (b"[impala]\n\xff=1", "cannot be read: "),
    (b"[impala]\nssl=maybe", "'maybe' is not a valid value for a boolean option"),
]


@pytest.mark.parametrize(("raw", "message"), BAD_CONFIGS)
def test_a_file_of_options_that_cannot_be_used_is_reported_in_one_line(raw, message, tmp_path):
    file = tmp_path / "rc"
    if raw is not None:
        file.write_bytes(raw)

    with pytest.raises(BadInput, match=message) as refusal:
        asked("--config_file", str(file), "-e", "select 1")

    assert str(refusal.value).startswith(str(file))
    assert "\n" not in str(refusal.value)


def test_zero_is_no_limit_or_the_default():
    assert asked("-t", "0", "-e", "select 1").connect["connect_timeout"] > 3600
    assert asked("--fetch_size=0", "-e", "select 1").fetch_size == 8192


def test_delimited_wins_over_vertical():
    assert isinstance(asked("-B", "-E", "-e", "select 1").form(["a"]), Delimited)


def test_a_file_may_have_a_name_that_is_not_utf8(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xe4.sql")
    Path(name).write_text("select 1")

    assert asked("-f", name).script[0].text == "select 1"


def test_a_connect_timeout_may_be_in_milliseconds():
    assert asked("-t", "1500", "-eselect 1").connect == {"connect_timeout": 1.5}


@pytest.mark.parametrize("name", ["hs2-http", "HS2-HTTP"])
def test_http_has_its_own_port_and_path_and_hosts_may_have_their_own(name):
    found = asked("--protocol", name, "-i", "a:1", "-eselect 1")

    assert found.connect == {
        "host": "a:1",
        "use_http_transport": True,
        "http_path": "cliservice",
    }
    assert os.environ["IMPALA_HA_PORT"] == "28000"


def test_a_protocol_that_was_said_is_stronger_than_the_environment():
    os.environ |= {"IMPALA_HA_USE_HTTP_TRANSPORT": "true"}

    assert asked("--protocol", "HS2", "-eselect 1").connect == {"use_http_transport": False}


def test_query_options_are_collected_in_upper_case():
    found = asked("-Q", "mem_limit=2g", "-Q", "MT_DOP=4", "-e", "select 1")

    assert found.query_options == {"MEM_LIMIT": "2g", "MT_DOP": "4"}


def test_a_variable_is_filled_in():
    assert asked("--var=x=7", "-e", "select ${var:x}").script[0].text == "select 7"


def test_long_names_may_have_hyphens():
    assert asked("--fetch-size", "10", "-e", "select 1").fetch_size == 10


def test_the_form_follows_the_options():
    assert isinstance(asked("-eselect 1").form(["a"]), Table)
    assert isinstance(asked("-eselect 1", "-E").form(["a"]), Vertical)
    assert isinstance(asked("-eselect 1", "-B").form(["a"]), Delimited)
    assert isinstance(asked("-eselect 1", "-o", "x.parquet").form(["a"]), Parquet)


def test_loudness_follows_the_options():
    heard = [asked("-eselect 1", *words).verbosity for words in ([], ["--quiet"], ["-V"])]

    assert heard == [Verbosity.NORMAL, Verbosity.QUIET, Verbosity.VERBOSE]


def test_ldap_takes_its_password_from_a_command_and_keeps_it_to_itself():
    found = asked("-l", "--ssl", "--ldap_password_cmd", "printf 'geheim\\n'", "-eselect 1")

    assert found.connect == {
        "auth_mechanism": "LDAP",
        "use_ssl": True,
        "user": "ada",
        "password": found.connect["password"],
    }
    assert found.connect["password"]() == "geheim"
    assert "geheim" not in repr(found)
    assert "geheim" not in repr(found.connect)


def test_a_command_runs_once_and_again_when_its_secret_was_refused(tmp_path):
    """A token may end while a script runs."""
    count = tmp_path / "count"
    command = f"sh -c 'echo x >> {count}; wc -l < {count}'"
    found = asked("-l", "--ssl", "--ldap_password_cmd", command, "-eselect 1").connect["password"]

    assert [found().strip(), found().strip(), found().strip()] == ["1", "2", "3"]


def test_a_command_that_fails_later_is_reported_like_one_that_fails_at_once(tmp_path):
    once = tmp_path / "once"
    once.write_text("geheim")
    command = f"sh -c 'cat {once} && rm {once}'"
    found = asked("-l", "--ssl", "--ldap_password_cmd", command, "-eselect 1").connect["password"]
    assert found() == "geheim"

    with pytest.raises(BadInput, match="--ldap_password_cmd: the command ended with status 1"):
        found()


def test_a_token_comes_from_a_command():
    found = asked("-j", "--ssl", "--protocol=hs2-http", "--jwt_cmd", "echo a.b.c", "-e", "select 1")

    assert (found.connect["auth_mechanism"], found.connect["jwt"]()) == ("JWT", "a.b.c")
    assert "a.b.c" not in repr(found)


def test_a_password_is_asked_for_on_a_terminal(monkeypatch):
    monkeypatch.setattr(credentials, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt!r}")

    found = asked("-l", "--ssl", "-u", "eve", "-e", "select 1")

    assert found.connect["password"] == "typed at 'LDAP password of eve: '"


def test_a_password_in_the_clear_needs_consent_unless_the_environment_has_tls():
    consent = ["-l", "--ldap_password_cmd", "echo x", "-e", "select 1"]
    with pytest.raises(BadInput, match="LDAP credentials may not be sent over insecure"):
        asked(*consent)

    assert asked(*consent, "--auth_creds_ok_in_clear").connect["password"]() == "x"
    os.environ["IMPALA_HA_USE_SSL"] = "true"
    assert asked(*consent).connect["password"]() == "x"


def test_a_mechanism_from_the_environment_sends_no_password_in_the_clear_either():
    os.environ |= {"IMPALA_HA_AUTH_MECHANISM": "LDAP", "IMPALA_HA_PASSWORD": "geheim"}

    with pytest.raises(BadInput, match="LDAP credentials may not be sent over insecure") as refusal:
        asked("-e", "select 1")

    assert "geheim" not in str(refusal.value)


@pytest.mark.parametrize("how", ["PASSWORD", "PASSWORD_CMD"])
def test_a_password_of_plain_is_not_sent_in_the_clear_either(how):
    os.environ |= {"IMPALA_HA_AUTH_MECHANISM": "PLAIN"}
    assert asked("-e", "select 1"), "servers that let everybody in are asked without one"

    os.environ |= {f"IMPALA_HA_{how}": "geheim"}
    with pytest.raises(BadInput, match="PLAIN credentials may not be sent over insecure"):
        asked("-e", "select 1")


@pytest.mark.parametrize(
    ("words", "variable"),
    [(["-l"], "IMPALA_HA_PASSWORD_CMD"), (["-j", "--protocol=hs2-http"], "IMPALA_HA_JWT_CMD")],
)
def test_a_command_in_the_environment_is_left_to_the_library(words, variable, monkeypatch):
    monkeypatch.setattr(arguments, "secret", lambda *_: pytest.fail("asked"))
    os.environ |= {variable: "printf geheim"}

    assert {"password", "jwt"}.isdisjoint(asked(*words, "--ssl", "-e", "select 1").connect)


def test_a_secret_in_the_environment_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(arguments, "secret", lambda *_: pytest.fail("asked"))
    os.environ |= {"IMPALA_HA_PASSWORD": "geheim"}
    assert "password" not in asked("-l", "--ssl", "-e", "select 1").connect

    del os.environ["IMPALA_HA_PASSWORD"]
    os.environ |= {"IMPALA_HA_JWT": "a.b.c"}
    token = ["-j", "--ssl", "--protocol=hs2-http", "-e", "select 1"]
    assert "jwt" not in asked(*token).connect


def test_a_command_is_stronger_than_the_environment():
    os.environ |= {"IMPALA_HA_PASSWORD": "old"}

    found = asked("-l", "--ssl", "--ldap_password_cmd", "echo new", "-e", "select 1")

    assert found.connect["password"]() == "new"


def test_a_user_of_the_environment_is_the_one_who_logs_in():
    os.environ |= {"IMPALA_HA_USER": "eve"}

    found = asked("-l", "--ssl", "--ldap_password_cmd", "echo new", "-e", "select 1")

    assert found.connect["user"] == "eve"


def test_kerberos_without_its_library_says_what_to_type(monkeypatch):
    monkeypatch.setattr(gss_library, "FILE", "libgssapi_krb5.so.none")
    monkeypatch.setitem(sys.modules, "kerberos", None)
    monkeypatch.setitem(sys.modules, "gssapi", None)

    with pytest.raises(
        MissingExtra, match=r"libgssapi_krb5\.so\.none.*`apt install libgssapi-krb5-2`"
    ):
        asked("-k", "-e", "select 1")


def test_kerberos_with_a_package_is_a_mechanism(monkeypatch):
    monkeypatch.setattr(gss_library, "FILE", "libgssapi_krb5.so.none")
    monkeypatch.setitem(sys.modules, "kerberos", sys)

    assert asked("-k", "-e", "select 1").connect == {"auth_mechanism": "GSSAPI"}


WRONG = [
    (["-e", "select 1", "-f", "x"], "-e and -f contradict each other"),
    (["-e", "select 1", "-q", "select 1"], "-e and -q contradict each other"),
    (["-e", "select 1", "-"], "-e and - contradict each other"),
    (["-e", "select '\udcff'"], "-e is not UTF-8: byte 0xff at offset 8 (line 1)"),
    (["-q", "\udce4"], "-q is not UTF-8"),
    (["--var", "x=\udce4"], "--var is not UTF-8"),
    (["-d", "\udce4"], "--database is not UTF-8"),
    (["-i", "\udce4"], "--impalad is not UTF-8"),
    (["-i", "a", "b", "-q", "select 1"], "unexpected 'b': SQL is given with -e"),
    (["-i", "http://a:21050"], "-i takes host:port, not a URL (http://a:21050): leave http:// out"),
    (["-i", "b,https://a:1"], "-i takes host:port, not a URL (b,https://a:1)"),
    (["select 1"], "unexpected 'select 1': SQL is given with -e"),
    (["-f", "/no/such.sql"], "-f: Could not open file '/no/such.sql': No such file or directory"),
    (["-f", "/"], "-f: Could not open file '/': Is a directory"),
    (["-f", "a\0b"], "-f: Could not open file 'a\0b': embedded null byte"),
    (["-o", "/"], "-o / is a directory"),
    (["--quiet", "-V"], "--quiet and --verbose contradict each other"),
    (["--quiet", "-V", "-l", "--ssl"], "--quiet and --verbose contradict each other"),
    (["-k", "-l"], "-k and -l contradict each other: give at most one"),
    (["-l", "-j"], "-l and -j contradict each other"),
    (["--ldap_password_cmd", "x"], "--ldap_password_cmd needs -l"),
    (["--jwt_cmd", "x"], "--jwt_cmd needs -j"),
    (["-j"], "-j needs --protocol hs2-http"),
    *(([flag], "--ca_cert, --verify_cert, --client_cert and --client_key need --ssl")
      for flag in ("--verify_cert", "--ca_cert=x", "--client_cert=x", "--client_key=x")),
    (["-t", "5", "--connect_timeout", "5"], "--connect_timeout and -t contradict each other"),
    (["--var", "x"], "--var: 'x' is not KEY=VALUE"),
    (["-Q", "x"], "--query_option: 'x' is not KEY=VALUE"),
    (["--hs2_fp_format", "xyz"], "--hs2_fp_format: Invalid floating point format specification: xyz ("),
    (["--oauth_server=x"], "--oauth_server: no token is fetched here; --oauth_cmd COMMAND prints"),
    (["--oauth_cmd=x"], "--oauth_cmd needs -a"),
    (["-a"], "-a needs --protocol hs2-http"),
    (["-B", "--output_format", "json"], "-B and --output_format=json contradict each other"),
    (["--hs2_fp_format", ".2f", "--output_format", "json"], "--hs2_fp_format is for text"),
    (["--output_delimiter", "||"], "--output_delimiter: Illegal delimiter '||': it must be one character"),
    (["-o", "x.parquet", "-B"], "-o x.parquet is Parquet, and -B is for text"),
    (["-o", "x.PARQUET", "-E"], "-o x.PARQUET is Parquet, and -E is for text"),
    (["-o", "x.parquet", "--hs2_fp_format=.2f"], "-o x.parquet is Parquet, and --hs2_fp_format is"),
    (["--timestamp_unit=us"], "--timestamp_unit needs Parquet: -o FILE.parquet"),
    (["-o", "x.parquet", "-e", "use a; set x=y; drop table t"],
     "-o x.parquet: Parquet takes the result of one query, not of 0"),
    (["-o", "x.parquet", "-e", "show tables; select 1"],
     "-o x.parquet: Parquet takes the result of one query, not of 2"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_a_mistake_is_reported_in_one_line(words, message):
    sql = [] if {"-e", "-q", "-f", "select 1"} & set(words) else ["-e", "select 1"]

    with pytest.raises(BadInput) as refusal:
        asked(*words, *sql)

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


UNUSABLE = [
    (["--querry", "x"], "--query"),
    (["--protocol", "beezwax"], "hs2-http"),
    (["--fetch_size", "-1"], "--fetch_size"),
    (["--ver"], "ambiguous option --ver (--verbose, --verify_cert, --version, --vertical?)"),
    (["--deadline", "soon"], "--deadline"),
    (["--connect_timeout", "0"], "--connect_timeout"),
    (["-e"], "-e"),
]


@pytest.mark.parametrize(("words", "mentioned"), UNUSABLE)
def test_an_option_that_is_not_one_is_told_with_what_is_near(words, mentioned):
    with pytest.raises(click.UsageError) as refusal:
        asked(*words)

    assert mentioned in refusal.value.format_message()


def test_hosts_and_options_are_checked_by_the_library_before_a_password_is_asked_for(monkeypatch):
    monkeypatch.setattr(arguments, "secret", lambda *_: pytest.fail("asked"))

    with pytest.raises(ConfigurationError) as refusal:
        asked("-i", "a:99999", "--policy", "fastest", "-l", "--ssl", "-e", "select 1")

    assert len(refusal.value.problems) == 2


COMMANDS = [
    ("false", "the command ended with status 1"),
    ("true", "the command printed nothing"),
    ("no-such-program geheim", "No such file or directory"),
    ("'geheim", "No closing quotation in the command"),
    ("", "there is no command"),
    (r"printf '\377geheim'", "what the command prints is not UTF-8"),
]


@pytest.mark.parametrize(("words", "message"), COMMANDS)
def test_a_password_command_that_fails_is_told_without_what_it_held(words, message):
    with pytest.raises(BadInput, match=message) as refusal:
        secret("password", words, "--ldap_password_cmd")

    assert "geheim" not in str(refusal.value)


def test_a_command_that_nobody_can_answer_has_an_end(monkeypatch):
    monkeypatch.setattr(credentials, "has_terminal", lambda: False)
    monkeypatch.setattr(credentials, "_UNATTENDED", 0.05)

    with pytest.raises(BadInput, match=r"--jwt_cmd: the command did not end within 0\.05 s"):
        secret("password", "sleep 600", "--jwt_cmd")


def test_without_a_terminal_no_password_is_asked_for(monkeypatch):
    def no_terminal(path, _flags):
        raise OSError(6, "No such device or address", path)

    monkeypatch.setattr(os, "open", no_terminal)

    with pytest.raises(BadInput, match="there is no terminal to ask for the password on"):
        secret("password", None, "--ldap_password_cmd")


@pytest.mark.parametrize("answer", ["", EOFError()])
def test_an_empty_answer_is_no_password(monkeypatch, answer):
    def typed(_prompt):
        if isinstance(answer, EOFError):
            raise answer
        return answer

    monkeypatch.setattr(credentials, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", typed)

    with pytest.raises(BadInput, match="no password was given"):
        secret("password", None, "--ldap_password_cmd")


def test_a_user_without_a_name_in_the_system_has_to_be_named(monkeypatch):
    def unknown():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", unknown)

    assert user_name("ada") == "ada"
    with pytest.raises(BadInput, match="give one with -u"):
        user_name(None)


def test_every_option_is_in_the_help_with_a_text_and_in_the_manual():
    options = [param for param in command(request).params if isinstance(param, click.Option)]
    helped = command(request).get_help(click.Context(command(request)))
    manual = Path(__file__).parents[2].joinpath("docs", "impala-connect.md").read_text()

    names = {name for option in options for name in option.opts}
    assert all(option.help for option in options)
    assert {name for name in names if name not in helped} == set()
    assert {name for name in names if f"`{name}" not in manual} == set()


def asked(*words):
    found = command(request).main(list(words), prog_name="impala-connect", standalone_mode=False)
    assert isinstance(found, Request)
    return found
