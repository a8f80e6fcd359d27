"""
Commands whose ``--help`` has sections, and which take options as impala-shell does: shortened, and
with hyphens for underscores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

LAST = "Other"  # the section of what has none

Defaults = Callable[[click.Context, Mapping[str, Any]], dict[str, Any]]
Entry = tuple[tuple[str, ...], str, dict[str, Any]]


def _files(*_: object) -> list[CompletionItem]:
    return [CompletionItem("", type="file")]


#: What a shell completes after an option, by what its value is called in ``--help``.
_COMPLETED = {"FILE": _files}


class Sectioned(click.Option):
    """An option that knows its section of ``--help``, and which one of ``connect()`` it is."""

    def __init__(
        self, section: str, names: tuple[str, ...], *, option: str = "", **attributes: Any
    ) -> None:
        complete = _COMPLETED.get(attributes.get("metavar", ""))
        super().__init__(names, shell_complete=complete, **attributes)
        self.section = section
        self.option = option


class Program(click.Command):
    """
    A command whose ``--help`` has one section for each group of options.

    Args:
        defaults: From what the command line has, as click's parser reads it, to the values of
            options that it does not have; None: there are none.
    """

    def __init__(self, *args: Any, defaults: Defaults | None = None, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._defaults = defaults

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = [
            name for param in self.get_params(ctx) for name in (*param.opts, *param.secondary_opts)
        ]
        args = [_in_full(word, names, ctx) for word in args]
        if self._defaults is not None:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
            if not (given.get("help") or ctx.resilient_parsing):  # of the completion of a shell
                ctx.default_map = self._defaults(ctx, given)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", LAST), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _in_full(word: str, names: list[str], ctx: click.Context) -> str:
    """A long option that was shortened, as impala-shell takes it: ``--output_delim=,``."""
    given, equals, value = word.partition("=")
    name = with_underscores(given.removeprefix("--"))
    if not _LONG.fullmatch(given) or f"--{name}" in names:
        return word
    meant = [known for known in names if known.startswith(f"--{name}")]
    if len(meant) > 1:
        raise click.UsageError(f"ambiguous option {given} ({', '.join(sorted(meant))}?)", ctx)
    return meant[0] + equals + value if meant else word


_LONG = re.compile(r"--[A-Za-z][\w-]*")


def section(title: str, *options: Entry) -> list[Sectioned]:
    """Options that stand together in ``--help``: names, help text and what else click takes."""
    return [Sectioned(title, names, help=text, **more) for names, text, more in options]


def with_underscores(name: str) -> str:
    """``--query-file`` is meant well; click asks the same of values, which are to stay."""
    return name if name.lower() == "hs2-http" else name.replace("-", "_")


def program(
    name: str,
    act: Callable[..., Any],
    params: list[click.Parameter],
    about: tuple[str, str],
    defaults: Defaults | None = None,
) -> click.Command:
    """
    A command with sections, which takes hyphens for underscores.

    Args:
        name: What it is called.
        act: Called with every option by name.
        params: Its options.
        about: What ``--help`` says before and after them.
        defaults: As of `Program`.
    """
    return Program(
        name,
        callback=act,
        params=params,
        defaults=defaults,
        help=about[0],
        epilog=about[1],
        context_settings={
            "help_option_names": ["-h", "--help"],
            "token_normalize_func": with_underscores,
            "max_content_width": 100,
        },
    )
