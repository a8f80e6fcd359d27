"""
Write what the code knows better than any author: the reference, and the facts of each fault.

    python docs/make_reference.py

It writes ``docs/reference.md`` anew, the facts of each fault in ``docs/operations.md``, and the
rules in ``docs/faults-table.md``.  A test fails while one is not what this program would write.
"""

from __future__ import annotations

import inspect
import random
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import Field, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import click

import impala_ha
import impala_ha.opentelemetry
import impala_ha.prometheus
from impala_ha import Fault, State
from impala_ha.balancing.policies import POLICIES
from impala_ha.cli._commands import COMMANDS
from impala_ha.cli._commands import impala_ha as operator
from impala_ha.cli._options import command as connect_command
from impala_ha.core.fault_rules import FAULT_RULES
from impala_ha.core.faults import CredentialKind, FaultRule, Phase
from impala_ha.core.impala_rules import IMPALA_RULES
from impala_ha.failover.attempts import doubtful_faults
from impala_ha.failover.decision_table import logins
from impala_ha.options.options import HostOptions, Options
from impala_ha.options.settings import DEPRECATED, HOST_VARIABLES, OTHERS_PORT
from impala_ha.sql.statement import Kind
from impala_ha.testing import FaultProxy, LocalCluster, LocalCoordinator, Message, ProxyFault

HERE = Path(__file__).parent
REFERENCE = HERE / "reference.md"
OPERATIONS = HERE / "operations.md"
FAULTS_TABLE = HERE / "faults-table.md"

_HEAD = """\
# Reference

Written from the code by `docs/make_reference.py`.

"""
_OPTIONS = """\
## Options

`impala_ha.connect(host, port, ...)` takes impyla's parameters in impyla's order and then its own by
name. Each option can also be said by an environment variable. What is said in the call counts
first, then the environment, then the default; `None` means "not said", and so
does an empty text where none can be meant. Times are in seconds. Variables that Kubernetes sets for
a service called `impala` or `impala-ha` are ignored, with a line in the log.

| option | variable | default | meaning |
|---|---|---|---|
"""
_PEP_249 = f"""
## Module

`impala_ha` has what [PEP 249](https://peps.python.org/pep-0249/) wants of a module: `connect`;
`apilevel` ({impala_ha.apilevel}), `threadsafety` ({impala_ha.threadsafety}), `paramstyle`
({impala_ha.paramstyle}; the others work as well); the exceptions `Warning`, `Error`,
`InterfaceError`, `DatabaseError`, `DataError`, `OperationalError`, `IntegrityError`,
`InternalError`, `ProgrammingError`, `NotSupportedError`; `Date`, `Time`, `Timestamp`,
`DateFromTicks`, `TimeFromTicks`, `TimestampFromTicks`, `Binary`; `STRING`, `BINARY`, `NUMBER`,
`DATETIME`, `DATE`, `ROWID`. Exceptions, constructors and types are impyla's, but for `STRING`,
which also stands for VARCHAR and CHAR. `__version__` is that of the library.
"""
_PHASES = """
## Phases

`Phase`: how far a call had come when it failed. [Operations](operations.md) has each `Fault`.

"""
_ABOUT_ERRORS = """\
PEP 249's classes are impyla's own. All of the following but `ConfigurationError` have `attempts`
(all attempts, in order) and `coordinator` (that of the last attempt), and are also instances of
the class of their cause: a `TTransportException`, say.

"""
_DEPRECATED = f"""
What impyla deprecates ({", ".join(f"`{name}`" for name in DEPRECATED)}) is taken, with a
`DeprecationWarning` that names what to use.
"""


def reference() -> str:
    """The text of the reference page."""
    parts = [
        _HEAD,
        _OPTIONS,
        *(_option(option) for option in (*fields(HostOptions), *fields(Options))),
        _DEPRECATED,
        "\n## Policies\n\n",
        *(_policy(name, make) for name, make in sorted(POLICIES.items())),
        "\n### Policy\n\n",
        *_class(impala_ha.policies.Policy),
        *(line for kind in _CHOSEN for line in (f"### {kind.__name__}\n\n", _prose(kind), "\n")),
        *_function(impala_ha.policies.make_policy),
        "\n## Connection\n\n",
        *_class(impala_ha.Connection),
        "\n## Cursor\n\n",
        *_class(impala_ha.Cursor),
        "\n### DictCursor\n\n",
        _prose(impala_ha.DictCursor) + "\n",
        _PEP_249,
        "\n## Programs of impyla\n\n",
        *_function(impala_ha.patch),
        *_function(impala_ha.unpatch),
        "\n## Cluster\n\n",
        *_class(impala_ha.Cluster, only=_OF_CLUSTERS),
        "\n## Values\n\n",
        *(line for kind in _VALUES for line in (f"### {kind.__name__}\n\n", _prose(kind), "\n")),
        "\n## States\n\n",
        *(f"- `{state.name}`: {_STATES[state]}\n" for state in State),
        _PHASES,
        *(f"- `{phase.name}`: {phase.value}.\n" for phase in Phase),
        "\n## Errors\n\n",
        _ABOUT_ERRORS,
        *(line for kind in _ERRORS for line in (f"### {kind.__name__}\n\n", *_error(kind))),
        "### Outcome\n\nWhat `OutcomeUnknown.resolve()` finds out.\n\n",
        *(f"- `{outcome.name}`: {outcome.value}.\n" for outcome in impala_ha.Outcome),
        "\n## Events\n\n",
        _prose(impala_ha.events) + "\n",
        *(line for kind in _EVENTS for line in (f"### {kind.__name__}\n\n", _prose(kind), "\n")),
        "\n## Telemetry\n\n",
        *(
            line
            for module in (impala_ha.opentelemetry, impala_ha.prometheus)
            for line in (f"### {module.__name__}.instrument\n\n", _prose(module.instrument), "\n")
        ),
        "\n## Local cluster\n\n",
        *_class(LocalCluster),
        "\n### LocalCoordinator\n\n",
        *_class(LocalCoordinator),
        "\n## FaultProxy\n\n",
        *_class(FaultProxy),
        *(line for kind in _FAULTS for line in (f"### {kind.__name__}\n\n", _prose(kind), "\n")),
        "\n## Programs\n\n",
        *_programs(),
    ]
    return "".join(parts).rstrip() + "\n"


def operations(text: str) -> str:
    """*text* with the facts of each fault brought up to date."""
    for fault in Fault:
        text = _between(text, f"facts: {fault.name}", facts(fault))
    return _between(text, "logins", login_table())


def login_table() -> str:
    """What each failure of a login means, by the credentials."""
    kinds = " | ".join(kind.value for kind in CredentialKind)
    rows = [f"| it failed with | {kinds} |\n|---|---|---|---|\n"]
    for end, about in groupby(logins(), key=lambda row: row.end):
        means = {row.credential: f"[{row.fault.name}](#{row.fault.name.lower()})" for row in about}
        rows.append(f"| {end} | {' | '.join(means.get(kind, '') for kind in CredentialKind)} |\n")
    rows.append("\n| fault | whose | at the end |\n|---|---|---|\n")
    for fault, row in {row.fault: row for row in logins()}.items():
        rows.append(f"| {fault.name} | {row.whose} | {row.error} |\n")
    return "".join(rows)


def facts(fault: Fault) -> str:
    """What the library acts on, as a table, and by which rules a fault is known."""
    words = [
        "yes" if word else "no"
        for word in (fault.retry, fault.may_have_run, fault.counts_against_host)
    ]
    words.append("yes" if fault.try_elsewhere else "no")
    if doubtful := [kind.value for kind in Kind if fault in doubtful_faults(kind)]:
        words[1] = f"not, but for: {', '.join(doubtful)}"
    named = [rule.name for rule in FAULT_RULES if fault in rule.faults]
    known = ", ".join(f"[{name}](faults-table.md#{_anchor(name)})" for name in named)
    return (
        "| another try can help | may have run, once it was sent | the coordinator is ejected | "
        "next try elsewhere |\n|---|---|---|---|\n"
        f"| {' | '.join(words)} |\n"
        f"\nKnown by the rules: {known or 'none; it is what no rule knows'}.\n"
    )


def faults_table(text: str) -> str:
    """*text* with the rules brought up to date."""
    return _between(text, "rules", rules())


def rules() -> str:
    """The table of faults, a section a rule."""
    return "\n".join(_rule(rule) for rule in FAULT_RULES)


def _rule(rule: FaultRule) -> str:
    where = ", ".join(phase.value for phase in Phase if phase in rule.where)
    types = ", ".join(f"`{kind.__name__}`" for kind in rule.types)
    before = "any number" if rule.prefixes > 1 else str(rule.prefixes)
    return (
        f"### {rule.name}\n\n"
        f"- means: {_means(rule)}\n"
        f"- where: {where}\n"
        f"- types: {types}\n"
        f"- `Query <id> failed:` lines in front: {before}\n"
        f"- test: `pytest tests/unit/test_faults.py -k {test_of(rule)}`\n\n"
        f"```text\n{rule.text}\n```\n"
    )


def _means(rule: FaultRule) -> str:
    """Its fault, or its faults by the credentials."""
    links = {fault: f"[{fault.name}](operations.md#{fault.name.lower()})" for fault in rule.faults}
    if len(links) == 1:
        return "".join(links.values())
    return ", ".join(
        f"after {credential.value}: {links[rule.means(credential)]}"
        for credential in CredentialKind
    )


def test_of(rule: FaultRule) -> str:
    """The function in ``tests/unit/test_faults.py`` that has real texts for *rule*."""
    if rule in IMPALA_RULES:
        return _TESTS.get(rule.name, "test_what_impala_says")
    return "test_what_happens_on_the_way"


_TESTS = {
    "session gone for a child query": "test_a_prefix_before_a_text_that_has_no_query",
    "admissiond restarted": "test_an_unknown_handle_is_admissions",
    "table not known yet": "test_a_missing_table_may_be_news",
}


def _anchor(heading: str) -> str:
    """As Markdown makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _between(text: str, name: str, made: str) -> str:
    """*text* with *made* between the comments ``NAME`` and ``end of NAME``."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, _, rest = text.partition(start)
    return f"{head}{start}\n{made}\n{end}{rest.partition(end)[2]}"


_CHOSEN = (impala_ha.policies.Candidate, impala_ha.policies.LoadReport)
#: What programs ask of one; the rest is for the library, and may change.
_OF_CLUSTERS = frozenset({"coordinators", "failures", "is_healthy", "snapshot"})
_FOR_THE_LIBRARY = frozenset({"close_stale_session", "reads"})  # what it asks of a cursor
_FAULTS = (Message, ProxyFault)
_VALUES = (impala_ha.Coordinator, impala_ha.Attempt, impala_ha.CircuitBreaker, impala_ha.Retry)
_ERRORS = (
    impala_ha.ConfigurationError,
    impala_ha.AuthenticationFailed,
    impala_ha.CoordinatorLost,
    impala_ha.OutcomeUnknown,
    impala_ha.ResultLost,
    impala_ha.NoCoordinatorLeft,
)
_EVENTS = (
    *(impala_ha.events.Event, impala_ha.events.Ejected, impala_ha.events.Back),
    *(impala_ha.events.FailedOver, impala_ha.events.Hedged, impala_ha.events.Reattached),
    impala_ha.events.OutcomeLost,
)
_STATES = {
    State.HEALTHY: "gets its share of new connections.",
    State.HALF_OPEN: "its ejection is over; one call at a time may try it.",
    State.EJECTED: "it failed, and gets no connections until its ejection is over.",
    State.DRAINING: "it said that it is shutting down; ejected as well.",
}


def _option(option: Field[Any]) -> str:
    text = re.sub(r"\s+", " ", option.metadata["help"])
    default = "none" if option.default is None else f"`{option.default!r}`"
    variables = _VARIABLES.get(option.name, f"`IMPALA_HA_{option.name.upper()}`")
    return f"| `{option.name}` | {variables} | {default} | {text} |\n"


_VARIABLES = {
    "host": ", then ".join(f"`{name}`" for name in HOST_VARIABLES),
    "port": "`IMPALA_HA_PORT`; beside "
    + " or ".join(f"`{name}`" for name in HOST_VARIABLES[1:])
    + f" also `{OTHERS_PORT}`",
}


def _policy(name: str, make: Callable[..., Any]) -> str:
    kind = type(make(random.Random(0)))  # noqa: S311 - nothing is drawn
    return f"- `{name}` (`{kind.__name__}`): {_first_paragraph(kind)}\n"


def _first_paragraph(thing: Any) -> str:
    text = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    return re.sub(r"\s+", " ", text).replace("``", "`")


def _error(kind: type) -> Iterator[str]:
    return _class(kind, leave_out=(impala_ha.errors.FailoverError,))


def _function(function: Callable[..., Any]) -> Iterator[str]:
    signature = inspect.signature(function, eval_str=True)
    text = ", ".join(map(_parameter, signature.parameters.values()))
    text = _with_star(text, list(signature.parameters.values()))
    yield f"#### `{function.__name__}({text})`\n\n{_prose(function)}\n"


def _class(
    kind: type, leave_out: tuple[type, ...] = (), only: Container[str] | None = None
) -> Iterator[str]:
    """A class with its own public members (or *only* these), and those of its bases here."""
    yield _prose(kind) + "\n"
    made = vars(kind).get("__init__")
    if made is not None and made.__doc__:
        yield f"#### `{kind.__name__}{_signature(made)}`\n\n{_prose(made)}\n"
    for name, member in _members(kind, leave_out):
        if name in _FOR_THE_LIBRARY or (only is not None and name not in only):
            continue
        function = member.__func__ if isinstance(member, classmethod) else member
        signature = "" if isinstance(member, property) else _signature(function)
        yield f"#### `{name}{signature}`\n\n{_prose(function)}\n"


def _members(kind: type, leave_out: tuple[type, ...]) -> Iterable[tuple[str, Any]]:
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith(("impala_ha", "pocket_impala")):
            for name, member in vars(base).items():
                if not name.startswith("_") and inspect.getdoc(member) and base not in leave_out:
                    found.pop(name, None)
                    if callable(member) or isinstance(member, (property, classmethod)):
                        found[name] = member
    return sorted(found.items())


def _signature(function: Callable[..., Any]) -> str:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    text = ", ".join(map(_parameter, parameters))
    return f"({_with_star(text, parameters)})"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
    return f"{stars}{parameter.name}{default}"


def _with_star(text: str, parameters: list[inspect.Parameter]) -> str:
    """Mark where the parameters begin that are given by name."""
    first = next((p for p in parameters if p.kind is p.KEYWORD_ONLY), None)
    if first is None:
        return text
    return re.sub(rf"(^|, ){first.name}\b", rf"\1*, {first.name}", text, count=1)


def _prose(thing: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    out: list[str] = []
    in_section = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        if re.fullmatch(r"(Args|Returns|Raises|Attributes):", line):
            in_section = True
            out += ["", f"**{line.rstrip(':')}**", ""]
        elif not (in_section and line.startswith("    ")):
            in_section = in_section and not line
            out.append(line)
        elif entry := re.match(r"    (\S[^:]*): (.*)$", line):
            names = ", ".join(f"`{name}`" for name in entry[1].split(", "))
            out.append(f"- {names}: {entry[2]}")
        elif out[-1].strip():
            out[-1] += " " + line.strip()
        else:
            out.append(line.strip())
    text = "\n".join(out).replace("``", "`")
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _programs() -> Iterator[str]:
    yield "### impala-connect\n\nRuns SQL from the shell: [impala-connect](impala-connect.md).\n\n"
    yield _flags(connect_command(lambda **_: None))
    context = click.Context(operator)
    for name in sorted(COMMANDS):
        command = operator.get_command(context, name)
        assert command is not None
        yield f"\n### impala-ha {name}\n\n{_prose_of_help(command)}\n\n"
        yield _flags(command)


def _prose_of_help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _flags(command: click.Command) -> str:
    rows = ["| flag | meaning |\n|---|---|\n"]
    for option in command.params:
        if isinstance(option, click.Option):
            names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
            default = f" Default: {option.default}." if option.show_default else ""
            text = (option.help or "").replace("|", "\\|")
            rows.append(f"| {names} | {text}{default} |\n")
    return "".join(rows)


def main() -> None:
    """Write the pages."""
    REFERENCE.write_text(reference(), encoding="utf-8")
    FAULTS_TABLE.write_text(faults_table(FAULTS_TABLE.read_text("utf-8")), encoding="utf-8")
    OPERATIONS.write_text(operations(OPERATIONS.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
