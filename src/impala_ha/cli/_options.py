"""
The options of `impala-connect`, named as impala-shell names them.

Only names, kinds and help texts stand here; what they mean together is in `_request`.  An option
that was not given is None and is not passed on, so that the environment variables of the library
keep their say.
"""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from impala_ha import __version__
from impala_ha.cli.connect.bad_input import BadInput
from impala_ha.cli.connect.config_file import read_config

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


class _Sectioned(click.Option):
    """An option that knows its section of ``--help``."""

    def __init__(self, section: str, names: tuple[str, ...], **attributes: Any) -> None:
        super().__init__(names, **attributes)
        self.section = section


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


def section(
    title: str, *options: tuple[tuple[str, ...], str, dict[str, Any]]
) -> list[click.Option]:
    """Options that stand together in ``--help``: names, help text and what else click takes."""
    return [_Sectioned(title, names, help=text, **more) for names, text, more in options]


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
_HOSTS: dict[str, Any] = {"is_flag": False, "flag_value": "", "metavar": "HOSTS"}
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
    (
        ("-i", "--impalad"),
        "Coordinators: a,b:21051,c. Default: $IMPALA_HA_HOSTS, then localhost.",
        _HOSTS,
    ),
    (("-d", "--database"), "Default database.", {"metavar": "NAME"}),
    (
        ("--protocol",),
        "Binary HiveServer2 (port 21050) or over HTTP (port 28000). Default: hs2.",
        {"type": click.Choice(["hs2", "hs2-http", "beeswax"], case_sensitive=False)},
    ),
    (
        ("--http_cookie_names",),
        "Cookies to keep with hs2-http, with commas. Default: *, all.",
        {"metavar": "NAMES"},
    ),
    (("--http_path",), "Path in the URL with hs2-http. Default: cliservice.", {"metavar": "PATH"}),
    (("--policy",), "Who is asked next. Default: round_robin.", {"metavar": "NAME"}),
    (
        ("--connect_timeout",),
        "For one coordinator, until it has opened a session. Default: 10.",
        _SECONDS,
    ),
    (
        ("-t", "--client_connect_timeout_ms"),
        "The same in milliseconds; 0: no limit.",
        {"type": click.FloatRange(min=0), "metavar": "MS"},
    ),
    (("--deadline",), "That a statement may spend on failing over. Default: 60.", _SECONDS),
    (
        ("--fetch_size",),
        "Rows asked for at a time. Default (also of 0): 8192.",
        {"type": click.IntRange(min=0), "default": 0, "metavar": "ROWS"},
    ),
)
_SECURITY = section(
    "Security",
    (("-k", "--kerberos"), "Log in with Kerberos, by the ticket of the cache.", _FLAG),
    (("--principal",), "Who logs in with -k, of the cache or of --keytab.", {"metavar": "NAME"}),
    (
        ("--keytab",),
        "Get tickets with this file, for this run alone (with -k).",
        {"metavar": "FILE"},
    ),
    (
        ("-s", "--kerberos_service_name"),
        "First part of the service principal. Default: impala.",
        {"metavar": "NAME"},
    ),
    (
        ("-b", "--kerberos_host_fqdn"),
        "Host in the service principal, if not the coordinator's own: NAME, _HOST.NAME or a=x,b=y.",
        {"metavar": "HOST"},
    ),
    (("-l", "--ldap"), "Log in with user and password; the password is asked for.", _FLAG),
    (("-u", "--user"), "User name. Default: the one in the system.", {"metavar": "NAME"}),
    (("--ldap_password_cmd",), "Command that prints the password.", {"metavar": "COMMAND"}),
    (("-j", "--jwt"), "Log in with a JSON Web Token (hs2-http); it is asked for.", _FLAG),
    (("--jwt_cmd",), "Command that prints the token.", {"metavar": "COMMAND"}),
    (("-a", "--oauth"), "Log in with an OAuth token (hs2-http), as with -j.", _FLAG),
    (("--oauth_cmd",), "Command that prints the token.", {"metavar": "COMMAND"}),
    *(
        ((f"--oauth_{name}",), "Refused: give --oauth_cmd.", {"metavar": "VALUE"})
        for name in ("server", "endpoint", "client_id", "client_secret_cmd")
    ),
    (("--use_ldap_test_password",), "With -l, the password that tests use.", _FLAG),
    (("--auth_creds_ok_in_clear",), "Let -l and -j send secrets without --ssl.", _FLAG),
    (("--ssl",), "Encrypt with TLS.", _FLAG),
    (
        ("--ca_cert",),
        "CA that must have signed the certificates (with --ssl).",
        {"metavar": "FILE"},
    ),
    (("--verify_cert",), "Verify certificates by the CAs of the system (with --ssl).", _FLAG),
    (
        ("--client_cert",),
        "Certificate to show to coordinators that ask for one (with --ssl).",
        {"metavar": "FILE"},
    ),
    (
        ("--client_key",),
        "Its key, where that is not in the same file.",
        {"metavar": "FILE"},
    ),
    (("--doas_user",), "User to act for, where the coordinators allow it.", {"metavar": "NAME"}),
)
_OUTPUT = section(
    "Output",
    (
        ("-o", "--output_file"),
        "Write results there; overwritten by the first one.",
        {"metavar": "FILE"},
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
            "--beeswax_compat_num_rows": "The number of rows is always told",
            "--strict_hs2_protocol": "Hive is told from Impala by its answers",
            "--rpc_stdout": "RPCs are not written down; -V tells attempts",
        }.items()
    ),
    *(
        ((name,), f"{why}.", {"metavar": "VALUE"})
        for name, why in {
            "--history_file": "There is no history",
            "--connect_max_tries": "How often is up to --deadline",
            "--http_socket_timeout_s": "A silent coordinator is probed",
            "--rpc_file": "RPCs are not written down; -V tells attempts",
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


def connecting() -> list[click.Option]:
    """The options that say where to go and as whom, for other programs that do."""
    elsewhere = {"database", "policy", "deadline", "fetch_size"}
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
