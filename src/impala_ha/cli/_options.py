"""
The options of `impala-connect`, named as impala-shell names them.

Only names, kinds and help texts stand here; what they mean together is in `connect.request`.  One
that is an option of ``connect()``, under whatever name, has its help text from there.  One that was
not given is None and is not passed on, so that the environment variables of the library count.
"""

from __future__ import annotations

import platform
import re
from dataclasses import fields
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from impala_ha import __version__
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.config_file import read_config
from impala_ha.options.options import HostOptions, Options
from impala_ha.options.parameters import default as default_of

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST = "Other"
_EPILOG = """\
\b
Results go to standard output or to -o FILE, everything else to standard error.
Exit status:
    0  every statement went well
    1  a statement failed, or no coordinator could be reached
    2  wrong usage or input; nothing was opened or overwritten
  130  interrupted with Ctrl-C (143: SIGTERM); the statement was cancelled
"""


Entry = tuple[tuple[str, ...], str, dict[str, Any]]


class _Sectioned(click.Option):
    """An option that knows its section of ``--help``, and which one of ``connect()`` it is."""

    def __init__(
        self, section: str, names: tuple[str, ...], *, option: str = "", **attributes: Any
    ) -> None:
        super().__init__(names, **attributes)
        self.section = section
        self.option = option


class _Program(click.Command):
    """A command whose ``--help`` has one section for each group of options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = [name for param in self.get_params(ctx) for name in param.opts]
        return super().parse_args(ctx, [_in_full(word, names, ctx) for word in args])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", _LAST), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _in_full(word: str, names: list[str], ctx: click.Context) -> str:
    """A long option that was shortened, as impala-shell takes it: ``--output_delim=,``."""
    given, equals, value = word.partition("=")
    name = _with_underscores(given.removeprefix("--"))
    if not _LONG.fullmatch(given) or f"--{name}" in names:
        return word
    meant = [known for known in names if known.startswith(f"--{name}")]
    if len(meant) > 1:
        raise click.UsageError(f"ambiguous option {given} ({', '.join(sorted(meant))}?)", ctx)
    return meant[0] + equals + value if meant else word


_LONG = re.compile(r"--[A-Za-z][\w-]*")


def section(title: str, *options: Entry) -> list[_Sectioned]:
    """Options that stand together in ``--help``: names, help text and what else click takes."""
    return [_Sectioned(title, names, help=text, **more) for names, text, more in options]


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
        click.echo(
            f"impala-connect {__version__} (impyla {version('impyla')},"
            f" Python {platform.python_version()})"
        )
        ctx.exit()


def _read_config(
    ctx: click.Context, _param: click.Parameter, path: str | None
) -> dict[str, str] | None:
    """The options of a file become defaults; its query options are returned."""
    if path is None:
        return None
    options, query_options = read_config(path)
    known = {name: param for param in ctx.command.params for name in param.opts}
    defaults: dict[str, Any] = {}
    for name, value in options.items():
        param = known.get(f"--{name}") or known.get(f"-{name}")
        if param is None or param.name is None:
            raise BadInput(f"--config_file {path}: unknown option {name!r}")
        defaults[param.name] = value.split(f",{name}=") if param.multiple else value
    ctx.default_map = defaults
    return query_options


def _with_underscores(name: str) -> str:
    """``--query-file`` is meant well; click asks the same of values, which are to stay."""
    return name if name.lower() == "hs2-http" else name.replace("-", "_")


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
    (("-c", "--ignore_query_failure"), "Go on after a failed statement (still exits 1).", _FLAG),
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
    (
        ("--protocol",),
        "Binary HiveServer2 (port 21050) or over HTTP (port 28000). Default: hs2.",
        {"type": click.Choice(["hs2", "hs2-http", "beeswax"], case_sensitive=False)},
    ),
    _library("http_cookie_names", metavar="NAMES"),
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
        ("--hs2_fp_format",),
        "How FLOAT and DOUBLE are written, as Python's format() takes it: .2f, 16G.",
        {"metavar": "FORMAT"},
    ),
    (("-p", "--show_profiles"), "Also the profile of each statement, on standard error.", _FLAG),
    (("--profile_output",), "Write the profiles to this file instead.", {"metavar": "FILE"}),
    (
        ("--profile_format",),
        "Form of the profiles. Default: string.",
        {"type": click.Choice(["string", "base64", "json"], case_sensitive=False)},
    ),
    (("--quiet",), "Nothing but errors on standard error.", _FLAG),
    (("-V", "--verbose"), "Also each statement, where it ran and each attempt.", _FLAG),
)
_COMPATIBLE = section(
    "Taken from impala-shell, without effect here",
    *(
        ((name,), f"{why}.", _FLAG)
        for name, why in {
            "--live_progress": "It is for a person at a prompt",
            "--disable_live_progress": "There is none",
            "--live_summary": "It is for a person at a prompt",
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
            "--history_file": "There is no history",
            "--connect_max_tries": "How often is up to --deadline",
            "--http_socket_timeout_s": "A silent coordinator is probed",
            "--rpc_file": "RPCs are not logged; -V shows attempts",
        }.items()
    ),
)
_OTHER = section(
    _LAST,
    (
        ("--config_file",),
        "File of options in the form of ~/.impalarc; the command line wins.",
        {"metavar": "FILE", "is_eager": True, "callback": _read_config},
    ),
    (("-v", "--version"), "Show the version and exit.", _VERSION),
)


def connecting() -> list[_Sectioned]:
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
            *_COMPATIBLE,
            *_OTHER,
        ],
        ("Run SQL on Apache Impala through any of several coordinators.", _EPILOG),
    )


def program(
    name: str, act: Callable[..., Any], params: list[click.Parameter], about: tuple[str, str]
) -> click.Command:
    """
    A command with sections, which takes hyphens for underscores.

    Args:
        name: What it is called.
        act: Called with every option by name.
        params: Its options.
        about: What ``--help`` says before and after them.
    """
    return _Program(
        name,
        callback=act,
        params=params,
        help=about[0],
        epilog=about[1],
        context_settings={
            "help_option_names": ["-h", "--help"],
            "token_normalize_func": _with_underscores,
            "max_content_width": 100,
        },
    )
