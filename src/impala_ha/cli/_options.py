"""
The options of `impala-connect`, named as impala-shell names them.

Only names, kinds and help texts stand here; what they mean together is in `connect.request`.  One
that is an option of ``connect()``, under whatever name, has its help text from there.  One that was
not given is None and is not passed on, so that the environment variables of the library count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from impala_ha.cli._command import LAST, Entry, Sectioned, program, section
from impala_ha.cli.connect.config_file import read_files
from impala_ha.cli.connect.look import FORMATS, PROFILE_FORMATS
from impala_ha.cli.connect.version import program_version
from impala_ha.options import profiles
from impala_ha.options.options import HostOptions, Options
from impala_ha.options.parameters import default as default_of

if TYPE_CHECKING:
    from collections.abc import Callable

_EPILOG = """\
\b
Results go to standard output or to -o FILE, everything else to standard error.
Exit status:
    0  every statement went well
    1  a statement failed (and -c was not given), or no coordinator could be reached
    2  wrong usage or input; nothing was opened or overwritten
  130  interrupted with Ctrl-C (143: SIGTERM); the statement was cancelled
"""


def _library(name: str, *names: str, needs: str = "", default: str = "", **more: Any) -> Entry:
    """The option *name* of ``connect()``: what its help text says first, and its default."""
    known = _LIBRARY[name]
    if known.default is False:
        more = _FLAG
    elif sentence := f"Default: {default}." if default else default_of(known):
        default = f" {sentence}"
    long = () if any(each.startswith("--") for each in names) else (f"--{name}",)
    text = f"{_first_sentence(name)}{f' (with {needs})' if needs else ''}.{default}"
    return (*names, *long), text, {**more, "option": name}


def _first_sentence(name: str) -> str:
    text: str = _LIBRARY[name].metadata["help"]
    return text.partition(". ")[0].rstrip(".").replace("`", "")


_LIBRARY = {option.name: option for option in (*fields(HostOptions), *fields(Options))}


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(program_version())
        ctx.exit()


def chosen_profile(given: Mapping[str, Any]) -> str:
    """The profile that is named; where none is, the one called ``default``, if there is one."""
    named = given.get("profile") or os.environ.get("IMPALA_HA_PROFILE")
    return named or (_DEFAULT_PROFILE if _DEFAULT_PROFILE in profiles.names() else "")


def _read_config(ctx: click.Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the files of options say; their query options are kept for `_query_options`."""
    profile = chosen_profile(given)
    ours = frozenset(profiles.read(profile) if profile else ())
    options, ctx.obj = read_files(given.get("config_file"), ctx.command.params, ours)
    for same in _ONE_OF:
        if any(isinstance(given.get(name), (str, bool)) for name in same):
            options = {name: value for name, value in options.items() if name not in same}
    return options


#: Of these the command line has one, and a file says nothing of the others then.
_ONE_OF = (("execute", "query", "query_file", "stdin"), ("quiet", "verbose"))


def _query_options(ctx: click.Context, _param: click.Parameter, _path: str | None) -> Any:
    return ctx.obj


_DEFAULT_PROFILE = "default"
_FLAG = {"is_flag": True}
_MANY: dict[str, Any] = {"multiple": True, "metavar": "KEY=VALUE"}
_SECONDS: dict[str, Any] = {"type": click.FloatRange(min=0, min_open=True), "metavar": "SECONDS"}
_VERSION: dict[str, Any] = {
    "is_flag": True,
    "is_eager": True,
    "expose_value": False,
    "callback": _print_version,
}

_STATEMENTS = section(
    "Statements",
    (("-e", "execute"), "SQL to run; several statements with semicolons.", {"metavar": "SQL"}),
    (("-q", "--query", "query"), "The same as -e.", {"metavar": "SQL"}),
    (("-f", "--query_file"), "File of SQL in UTF-8; - for standard input.", {"metavar": "FILE"}),
    (("--var",), "Sets what ${var:KEY} stands for in the SQL.", _MANY),
    (("-Q", "--query_option"), "Query option, such as MEM_LIMIT=2g.", _MANY),
    (
        ("-r", "--refresh_after_connect"),
        "Run INVALIDATE METADATA before the first statement.",
        _FLAG,
    ),
    (("-c", "--ignore_query_failure"), "Ignore statements that fail, and exit with 0.", _FLAG),
)
_CONNECTION = section(
    "Connection",
    _library(
        "host",
        "-i",
        "--impalad",
        default="$IMPALA_HA_HOSTS, then localhost",
        is_flag=False,
        flag_value="",
        metavar="HOSTS",
    ),
    _library("database", "-d", metavar="NAME"),
    _library("profile", default="the one called default, if there is one", metavar="NAME"),
    (
        ("--protocol",),
        "Binary HiveServer2 (port 21050) or over HTTP (port 28000). Default: hs2.",
        {"type": click.Choice(["hs2", "hs2-http", "beeswax"], case_sensitive=False)},
    ),
    _library("http_cookie_names", metavar="NAMES"),
    (
        ("--hs2_x_forward",),
        "Header X-Forwarded-For of hs2-http, for whom a gateway asks.",
        {"metavar": "ADDRESS"},
    ),
    _library("http_path", default="cliservice", metavar="PATH"),
    _library("policy", metavar="NAME"),
    _library("sticky_key", metavar="KEY"),
    _library("connect_timeout", **_SECONDS),
    (
        ("-t", "--client_connect_timeout_ms"),
        "The same in milliseconds; 0: no limit.",
        {"type": click.FloatRange(min=0), "metavar": "MS"},
    ),
    _library("deadline", **_SECONDS),
    (
        ("--fetch_size",),
        "Rows asked for at a time. Default (also of 0): 8192.",
        {"type": click.IntRange(min=0), "default": 0, "metavar": "ROWS"},
    ),
)
_SECURITY = section(
    "Security",
    (("-k", "--kerberos"), "Log in with Kerberos, by the ticket of the cache.", _FLAG),
    _library("principal", needs="-k", metavar="NAME"),
    _library("keytab", needs="-k", metavar="FILE"),
    _library("kerberos_service_name", "-s", metavar="NAME"),
    _library("krb_host", "-b", "--kerberos_host_fqdn", metavar="HOST"),
    (("-l", "--ldap"), "Log in with user and password; the password is asked for.", _FLAG),
    _library("user", "-u", metavar="NAME"),
    (("--ldap_password_cmd",), f"{_first_sentence('password_cmd')}.", {"metavar": "COMMAND"}),
    (("-j", "--jwt"), "Log in with a JSON Web Token (hs2-http); it is asked for.", _FLAG),
    (("--jwt_cmd",), f"{_first_sentence('jwt_cmd')}.", {"metavar": "COMMAND"}),
    (("-a", "--oauth"), "Log in with an OAuth token (hs2-http), as with -j.", _FLAG),
    (("--oauth_cmd",), f"{_first_sentence('jwt_cmd')}.", {"metavar": "COMMAND"}),
    *(
        ((f"--oauth_{name}",), "Refused: give --oauth_cmd.", {"metavar": "VALUE"})
        for name in ("server", "endpoint", "client_id", "client_secret_cmd")
    ),
    (("--use_ldap_test_password",), "With -l, the password that tests use.", _FLAG),
    (("--auth_creds_ok_in_clear",), "Let -l and -j send secrets without --ssl.", _FLAG),
    _library("use_ssl", "--ssl"),
    _library("ca_cert", needs="--ssl", metavar="FILE"),
    _library("verify_cert", needs="--ssl"),
    _library("client_cert", needs="--ssl", metavar="FILE"),
    _library("client_key", needs="--ssl", metavar="FILE"),
    _library("doas_user", metavar="NAME"),
)
#: By the option of ``connect()`` the name of the one here that is it.
SAME = {each.option: each.name or "" for each in (*_CONNECTION, *_SECURITY) if each.option}
_OUTPUT = section(
    "Output",
    (
        ("-o", "--output_file"),
        "Write results there; overwritten by the first one. FILE.parquet: as Parquet.",
        {"metavar": "FILE"},
    ),
    (
        ("--timestamp_unit",),
        "Of TIMESTAMP in Parquet: years before 1678 and after 2261 need us or ms. Default: ns.",
        {"type": click.Choice(["ms", "us", "ns"], case_sensitive=False)},
    ),
    (("-B", "--delimited"), "Delimited lines instead of a table.", _FLAG),
    (
        ("--output_delimiter",),
        "One character or an escape, with -B. Default: \\t.",
        {"default": "\\t", "metavar": "CHAR"},
    ),
    (("--print_header",), "Column names as the first line, with -B.", _FLAG),
    (("-E", "--vertical"), "One line for each value, for wide rows.", _FLAG),
    (
        ("--output_format",),
        "Form of results; json is an object a line. Default: table.",
        {"type": click.Choice(FORMATS, case_sensitive=False)},
    ),
    (
        ("--hs2_fp_format",),
        "How FLOAT and DOUBLE are written, as Python's format() takes it: .2f, 16G.",
        {"metavar": "FORMAT"},
    ),
    (
        ("--live_progress/--disable_live_progress",),
        "Show how far a statement is, on a terminal. Default: at the prompt.",
        {"default": None},
    ),
    (("--live_summary",), "Show what each operator does, on a terminal.", _FLAG),
    (("-p", "--show_profiles"), "Show the profile of each statement, too.", _FLAG),
    (("--profile_output",), "Write profiles to this file.", {"metavar": "FILE"}),
    (
        ("--profile_format",),
        "Form of the profiles. Default: string.",
        {"type": click.Choice(PROFILE_FORMATS, case_sensitive=False)},
    ),
    (("--quiet",), "Nothing but errors on standard error.", _FLAG),
    (("-V", "--verbose"), "Also each statement, where it ran and each attempt.", _FLAG),
)
_PROMPT = section(
    "At the prompt",
    (
        ("--history_file",),
        "File of the history. Default: $IMPALA_HISTFILE or $XDG_STATE_HOME/impala-ha/history.",
        {"metavar": "FILE"},
    ),
    (
        ("--history_max",),
        "Statements that are kept; 0: none. Default: 1000.",
        {"type": click.IntRange(min=0), "default": 1000, "metavar": "NUMBER"},
    ),
    (
        ("--pager/--no_pager",),
        "Show what is larger than the screen by pages ($PAGER). Default: yes.",
        {"default": True},
    ),
)
_COMPATIBLE = section(
    "Taken from impala-shell, without effect here",
    *(
        ((name,), f"{why}.", _FLAG)
        for name, why in {
            "--no_http_tracing": "No tracing headers are sent",
            "--use_new_http_connection": "A broken connection is replaced by itself",
            "--beeswax_compat_num_rows": "The number of rows is always shown",
            "--strict_hs2_protocol": "Hive is distinguished from Impala by its answers",
            "--rpc_stdout": "RPCs are not logged; -V shows attempts",
        }.items()
    ),
    *(
        ((name,), f"{why}.", {"metavar": "VALUE"})
        for name, why in {
            "--connect_max_tries": "How often is up to --deadline",
            "--http_socket_timeout_s": "A silent coordinator is probed",
            "--rpc_file": "RPCs are not logged; -V shows attempts",
        }.items()
    ),
)
_OTHER = section(
    LAST,
    (
        ("--config_file",),
        "File of options in the place of ~/.impalarc; the command line wins.",
        {"metavar": "FILE", "callback": _query_options},
    ),
    (("-v", "--version"), "Show the version and exit.", _VERSION),
)


def connecting() -> list[Sectioned]:
    """The options that say where to go and as whom, for other programs that do."""
    elsewhere = {"database", "policy", "sticky_key", "deadline", "fetch_size"}
    return [each for each in (*_CONNECTION, *_SECURITY) if each.name not in elsewhere]


def command(act: Callable[..., Any]) -> click.Command:
    """
    The program's face.

    Args:
        act: Called with every option by name; what it returns, `click.Command.main` returns.
    """
    return program(
        "impala-connect",
        act,
        [
            click.Argument(["stdin"], required=False, metavar="[-]"),
            *_STATEMENTS,
            *_CONNECTION,
            *_SECURITY,
            *_OUTPUT,
            *_PROMPT,
            *_COMPATIBLE,
            *_OTHER,
        ],
        ("Run SQL on Apache Impala through any of several coordinators.", _EPILOG),
        _read_config,
    )
