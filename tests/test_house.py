"""The house: packages, pure modules, ceilings, what an import costs, and options that match."""

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path

import impala.dbapi

import impala_ha
from impala_ha.core import interruption
from impala_ha.options.options import HostOptions, Options
from impala_ha.options.settings import DEPRECATED

HOUSE = Path(impala_ha.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))

#: From the ground up: a package imports from those before it, and the front door from all.
#: `errors` names types of `core`, for the type checker only.
PACKAGES = [
    "errors",
    "core",
    "sql",
    "balancing",
    "options",
    "net",
    "auth",
    "discovery",
    "hs2",
    "arrow",
    "failover",
    "dbapi",
]
FRONT_DOOR = {"__init__", "policies", "events"}
GUESTS = {"cli", "testing", "sqlalchemy", "tools", "opentelemetry", "prometheus"}
CORE = [path for path in FILES if path.relative_to(HOUSE).with_suffix("").parts[0] not in GUESTS]

#: Values in, values out: neither time nor network, no lock, no file, no chance but what they get.
PURE = {
    "balancing.candidates",
    "balancing.circuit_breaker",
    "balancing.decisions",
    "balancing.hedge_budget",
    "balancing.machine_loads",
    "balancing.members",
    "balancing.open_links",
    "balancing.outage",
    "balancing.policies",
    "balancing.readings",
    "balancing.shared_records",
    "core.fault_rules",
    "core.faults",
    "core.impala_rules",
    "core.model",
    "core.redaction",
    "errors",
    "failover.attempts",
    "failover.decision_table",
    "failover.final_errors",
    "failover.retry",
    "hs2.hints",
    "net.cookies",
    "net.http_response",
    "net.http_status",
    "options.host_urls",
    "options.hosts",
    "options.settings",
    "sql.literals",
    "sql.parameters",
    "sql.plan",
    "sql.scanner",
    "sql.session_state",
    "sql.statement",
    "sql.summary",
}
IMPURE = {"time", "datetime", "socket", "ssl", "select", "threading", "subprocess", "os", "pathlib"}

#: Private names of others that we need, because no public one does it.
BORROWED = {
    ("hs2.open_binary", "impala._thrift_api.get_transport"),
    ("dbapi", "impala.dbapi._DBAPITypeObject"),
}
GENERATED = "impala._thrift_gen."  # what Thrift made of the interface; the protocol does not change

#: impyla's signature alone has 25 lines.
LONG_SIGNATURES = {("dbapi", "connect")}

#: A cursor has all of impyla's methods: cut in two it would be two classes with shared fields.
LONG_CLASSES = {("dbapi.cursor", "Cursor")}


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def walk(node, *, types=True, late=True):
    """All nodes; without *types* not those for the type checker, without *late* none in functions."""
    for child in ast.iter_child_nodes(node):
        if is_for_types(child) and not types:
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
            continue
        yield child
        yield from walk(child, types=types, late=late)


def module(path):
    """Its name below `impala_ha`, with dots."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module(path): path for path in CORE}


def imported(path, **which):
    """The modules of ours that *path* imports."""
    here = path.relative_to(HOUSE).parts[:-1]
    for node in walk(tree(path), **which):
        if isinstance(node, ast.Import):
            yield from (
                a.name.removeprefix("impala_ha.") for a in node.names if "impala_ha." in a.name
            )
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = [*here, *(node.module or "").split(".")]
        elif (node.module or "").partition(".")[0] == "impala_ha":
            base = node.module.split(".")[1:]
        else:
            continue
        name = ".".join(part for part in base if part)
        if name in MODULES and MODULES[name].name != "__init__.py":
            yield name
        else:
            yield from (f"{name}.{alias.name}".lstrip(".") for alias in node.names)


def offenders(paths, rule):
    """Where *rule* finds something to say of a file, and what."""
    return {module(path): found for path in paths if (found := rule(path))}


def test_whether_a_signal_handler_raised_is_judged_with_all_packages_in_sight():
    """The errors of a package that the list does not have would pass for those of a handler."""
    assert set(PACKAGES) - {"errors"} == set(interruption._PACKAGES)


def test_imports_between_packages_only_go_down():
    floor = {name: number for number, name in enumerate(PACKAGES)}

    def rule(path):
        here = module(path).partition(".")[0]
        if here in FRONT_DOOR:
            return []
        packages = {name.partition(".")[0] for name in imported(path, types=here != "errors")} - {
            here
        }
        return sorted(name for name in packages if floor.get(name, 99) >= floor[here])

    assert {} == offenders(CORE, rule)


def test_no_module_needs_itself_to_be_imported():
    needs = {
        name: {one for one in imported(path, types=False, late=False) if one in MODULES}
        for name, path in MODULES.items()
        if name not in FRONT_DOOR
    }
    while ready := [name for name, others in needs.items() if not others & set(needs)]:
        for name in ready:
            del needs[name]

    assert {} == needs


#: What is imported where it is used: each takes more than 3 ms, and most programs use none of them.
LATE = {"auth.kerberos", "auth.digest", "discovery.sources", "failover.outcome", "hs2.open_http"}


def test_only_what_takes_long_is_imported_late():
    everywhere = [
        (set(imported(p, types=False)), set(imported(p, types=False, late=False))) for p in CORE
    ]

    assert LATE == {name for all_, early in everywhere for name in all_ - early}


def test_the_library_does_not_know_its_guests():
    assert {} == offenders(
        CORE, lambda path: GUESTS & {n.partition(".")[0] for n in imported(path)}
    )


def foreign(path, **which):
    """What *path* imports from elsewhere: the first part of each name."""
    for node in walk(tree(path), **which):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_a_pure_module_has_no_clock_no_lock_and_no_socket():
    pure = [MODULES[name] for name in PURE]

    assert {} == offenders(pure, lambda path: IMPURE & set(foreign(path, types=False)))


def test_a_fork_waits_for_each_import_in_a_function():
    """A child would wait for ever for the lock of the module that another thread was importing."""

    def rule(path):
        late = [
            n for n in walk(tree(path), types=False) if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        late = set(late) - set(walk(tree(path), late=False))
        late |= {n for n in walk(tree(path)) if ast.unparse(n).startswith("import_module(")}
        guarded = [
            n
            for n in walk(tree(path))
            if isinstance(n, ast.With) and "importing()" == ast.unparse(n.items[0].context_expr)
        ]
        bare = late - {n for block in guarded for n in ast.walk(block)}
        return {ast.unparse(n) for n in bare} - {"import sys"}

    assert {} == offenders(CORE, rule)


def test_chance_comes_from_a_generator_that_was_handed_in():
    """``random.random()`` and its like share one state, which nobody can seed for a test."""

    def rule(path):
        return {
            node.attr
            for node in walk(tree(path))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "random"
        } - {"Random"}

    assert {} == offenders(FILES, rule)


def test_a_file_starts_with_what_it_is_for():
    assert {} == offenders(FILES, lambda path: not ast.get_docstring(tree(path)))


def lines(node):
    """Lines of code from head to end; the docstring is for readers and does not count."""
    count = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        count -= docstring.end_lineno - docstring.lineno + 1
    return count


def longer(path, kinds, limit):
    return [
        node.name
        for node in walk(tree(path))
        if isinstance(node, kinds)
        and lines(node) > limit
        and (module(path), node.name) not in LONG_SIGNATURES | LONG_CLASSES
    ]


def test_a_file_has_at_most_400_lines():
    whole = {name for name, _ in LONG_CLASSES}  # such a class may fill a file of its own
    files = [path for path in FILES if module(path) not in whole]

    assert {} == offenders(files, lambda path: len(path.read_text("utf-8").splitlines()) > 400)


def test_a_class_has_at_most_250_lines():
    assert {} == offenders(FILES, lambda path: longer(path, ast.ClassDef, 250))


def test_a_function_has_at_most_40_lines():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)

    assert {} == offenders(FILES, lambda path: longer(path, functions, 40))


def test_a_function_with_a_long_signature_has_a_short_body():
    for name, function in LONG_SIGNATURES:
        (node,) = (n for n in tree(MODULES[name]).body if getattr(n, "name", "") == function)

        assert node.end_lineno - node.body[1].lineno < 40


def borrowed(path):
    """Private names that are imported from other distributions."""
    for node in walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            if node.module.partition(".")[0] in {"impala_ha", "__future__"}:
                continue
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if any(part.startswith("_") for part in full.split(".")):
                    yield full


def test_private_names_of_others_are_listed_and_none_in_vain():
    """Each may be gone with the next release of its owner."""
    assert BORROWED == {
        (module(path), name)
        for path in FILES
        for name in borrowed(path)
        if not name.startswith(GENERATED)
    }


def per_thousand(count):
    return (
        1000
        * sum(map(count, CORE))
        / sum(len(path.read_text("utf-8").splitlines()) for path in CORE)
    )


def test_any_and_noqa_stay_rare():
    """Each hides something from the type checker or from ruff; `benchmarks/house.py` counts them."""
    any_ = per_thousand(
        lambda path: sum(getattr(node, "id", "") == "Any" for node in ast.walk(tree(path)))
    )
    noqa = per_thousand(lambda path: len(re.findall(r"#\s*noqa", path.read_text("utf-8"))))

    assert any_ <= 5
    assert noqa <= 3


COSTLY = [
    "SQLAlchemy",
    "asyncio",
    "click",
    "dns",
    "duckdb",
    "kazoo",
    "kerberos",
    "numpy",
    "pandas",
    "pathlib",
    "pyarrow",
    "rich",
    "sqlalchemy",
    "sqlglot",
]


def test_an_import_starts_no_thread_and_brings_no_extra():
    """In a process of its own; what impyla's own import brings is not ours to mend."""
    code = (
        "import sys, threading, impala.dbapi\n"
        "before = set(sys.modules)\n"
        "import impala_ha\n"
        f"print(threading.active_count(), sorted((set(sys.modules) - before) & {set(COSTLY)!r}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert "1 []\n" == done.stdout


def test_every_file_of_tests_has_a_name_of_its_own():
    """pytest takes two of one name for the same module, and runs neither."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]

    assert [] == sorted({name for name in names if names.count(name) > 1})


OURS = inspect.signature(impala_ha.connect).parameters
IMPYLAS = list(inspect.signature(impala.dbapi.connect).parameters)


def test_connect_takes_impylas_parameters_in_impylas_order():
    positional = [p.name for p in OURS.values() if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert IMPYLAS == positional


def test_connect_takes_the_options_and_what_impyla_deprecates():
    """So each name stands in the signature and in the field that describes it, and nowhere else."""
    options = {option.name for option in (*fields(HostOptions), *fields(Options))}

    assert options | set(DEPRECATED) == set(OURS)


def test_connect_takes_none_for_not_given_everywhere():
    """Then the environment counts, then the default."""
    assert {None} == {p.default for p in OURS.values()}


def test_every_option_has_a_help_text():
    options = (*fields(HostOptions), *fields(Options))

    assert [] == [o.name for o in options if not o.metadata["help"].endswith(".")]


def test_every_parameter_is_described_in_the_docstring_under_its_name():
    described = re.findall(r"^    ( {4}\S[^:]*):", impala_ha.connect.__doc__, re.MULTILINE)

    assert set(OURS) <= {name.strip() for names in described for name in names.split(",")}
