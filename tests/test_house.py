"""The house: floors, pure rooms, ceilings, what an import costs, and options that match."""

import ast
import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import impala.dbapi
import pytest

import impala_ha
from impala_ha._options import Options

HOUSE = Path(impala_ha.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
ROOMS = {path.stem: path for path in HOUSE.glob("*.py")}

#: From the ground up.  A room knows rooms of lower floors only.
FLOORS = {
    "values": {"_scanner", "_faults", "_interrupts", "_literals"},
    "ground": {
        "errors",
        "_clock",
        "_impala_rules",
        "_statement",
        "_extras",
        "_forks",
        "_kerberos_errors",
        "_logs",
        "_patience",
        "_redaction",
        "_refusal",
        "_shown",
        "_cookies",
        "_http_answer",
        "_steps",
    },
    "secrets": {"_exclusive", "_secrets", "_tls", "_fault_rules"},
    "rules": {
        "_model",
        "_health",
        "_retry",
        "_session",
        "_binding",
        "_plan",
        "_polling",
        "_sockets",
        "_wire",
        "_kerberos_backends",
        "_http_request",
        "_question",
    },
    "choices": {
        "policies",
        "_outage",
        "_hosts",
        "_attempts",
        "_changes",
        "_link",
        "_service",
        "_mark",
        "_web",
    },
    "http": {"_http", "_http_login", "_http_proxy"},
    "names and protection": {"_kerberos_names", "_kerberos_sasl"},
    "readings": {"_readings"},
    "security": {"_security"},
    "words and lists": {"_options", "_roster", "_hedge", "_verdicts"},
    "tickets": {"_kerberos"},
    "edges": {"_settings", "_hints", "_transports", "_over_http", "_other_protocol", "cluster"},
    "fence": {"_fence"},
    "driver": {"_driver"},
    "witnesses": {"_witnesses"},
    "page of queries": {"_query_page"},
    "outcome": {"_outcome"},
    "place": {"_place"},
    "loop": {"_failover"},
    # The cursor in layers.
    "home": {"_home"},
    "execution": {"_execution"},
    "results": {"_results"},
    "cursor": {"_cursor"},
    "cursor of dicts": {"_dictcursor"},
    "connection": {"_connection"},
    "guests": {"_sqlalchemy"},
    "face": {"dbapi"},
    "front door": {"__init__"},
}
GUESTS = {"cli", "testing", "sqlalchemy", "arrow"}

#: Values in, values out: neither time nor network, no lock, no file, no chance but what they get.
PURE = {
    "_attempts",
    "_binding",
    "_cookies",
    "_fault_rules",
    "_faults",
    "_health",
    "_hints",
    "_hosts",
    "_http_answer",
    "_impala_rules",
    "_redaction",
    "_refusal",
    "_model",
    "_outage",
    "_plan",
    "_retry",
    "_roster",
    "_session",
    "_scanner",
    "_literals",
    "_settings",
    "_statement",
    "_verdicts",
    "errors",
    "policies",
}
IMPURE = {"time", "datetime", "socket", "ssl", "select", "threading", "subprocess", "os", "pathlib"}

#: Private names of others that we need, because no public one does it.
BORROWED = {
    ("_transports", "impala._thrift_api.get_transport"),
    ("dbapi", "impala.dbapi._DBAPITypeObject"),
}
GENERATED = "impala._thrift_gen."  # what Thrift made of the interface; the protocol does not change

#: impyla's signature alone has 25 lines.
LONG_SIGNATURES = {("dbapi", "connect")}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def walk(node):
    """All nodes but those that only the type checker sees."""
    for child in ast.iter_child_nodes(node):
        if not is_for_types(child):
            yield child
            yield from walk(child)


def neighbours(path):
    """The rooms that *path* imports from this house."""
    for node in walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.partition(".")[0] for name in names)


def named(path):
    return str(path.relative_to(HOUSE))


def test_every_room_is_on_a_floor():
    """A new room gets a place in FLOORS, and with it the rooms that it may know."""
    assert set().union(*FLOORS.values()) == set(ROOMS)
    assert sum(map(len, FLOORS.values())) == len(ROOMS), "and on one only"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_imports_only_go_down(room):
    floor = {name: number for number, names in enumerate(FLOORS.values()) for name in names}

    wrong = [name for name in neighbours(ROOMS[room]) if floor.get(name, 99) >= floor[room]]

    assert [] == wrong


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_the_house_does_not_know_its_guests(room):
    mentioned = set(neighbours(ROOMS[room]))
    for node in walk(tree(ROOMS[room])):
        if isinstance(node, ast.Import):
            mentioned |= {alias.name.removeprefix("impala_ha.") for alias in node.names}

    assert not mentioned & GUESTS


@pytest.mark.parametrize("room", sorted(PURE))
def test_a_pure_room_has_no_clock_no_lock_and_no_socket(room):
    imported = set()
    for node in walk(tree(ROOMS[room])):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add(node.module.partition(".")[0])

    assert not imported & IMPURE


@pytest.mark.parametrize("path", FILES, ids=named)
def test_chance_comes_from_a_generator_that_was_handed_in(path):
    """``random.random()`` and its like share one state, which nobody can seed for a test."""
    used = {
        node.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "random"
    }

    assert used <= {"Random"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_starts_with_the_story_of_the_room(path):
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_has_at_most_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def lines(node):
    """Lines of code from head to end; the docstring is for readers and does not count."""
    count = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        count -= docstring.end_lineno - docstring.lineno + 1
    return count


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_class_has_at_most_250_lines(path):
    classes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]

    assert [] == [node.name for node in classes if lines(node) > 250]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_function_has_at_most_40_lines(path):
    functions = [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (path.stem, node.name) not in LONG_SIGNATURES
    ]

    assert [] == [node.name for node in functions if lines(node) > 40]


@pytest.mark.parametrize(("room", "name"), sorted(LONG_SIGNATURES))
def test_a_function_with_a_long_signature_has_a_short_body(room, name):
    (node,) = (n for n in tree(ROOMS[room]).body if getattr(n, "name", "") == name)

    assert node.end_lineno - node.body[1].lineno < 40


def borrowed(path):
    """Private names that are imported from other distributions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            if node.module.partition(".")[0] in {"impala_ha", "__future__"}:
                continue
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if any(part.startswith("_") for part in full.split(".")):
                    yield full


@pytest.mark.parametrize("path", FILES, ids=named)
def test_private_names_of_others_are_listed(path):
    """Each may be gone with the next release of its owner."""
    names = {name for name in borrowed(path) if not name.startswith(GENERATED)}

    assert names <= {name for room, name in BORROWED if room == path.stem}


def test_no_listed_private_name_is_listed_in_vain():
    assert BORROWED == {
        (room, name)
        for room, path in ROOMS.items()
        for name in borrowed(path)
        if not name.startswith(GENERATED)
    }


COSTLY = [
    "SQLAlchemy",
    "asyncio",
    "click",
    "difflib",
    "duckdb",
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


def test_connect_takes_by_name_exactly_the_options_that_impyla_does_not_have():
    by_name = {p.name for p in OURS.values() if p.kind is p.KEYWORD_ONLY}

    assert {option.name for option in fields(Options)} - set(IMPYLAS) == by_name


def test_connect_takes_none_for_not_said_everywhere():
    """Then the environment counts, then the default."""
    given = [p for p in OURS.values() if p.kind is not p.VAR_KEYWORD]

    assert {None} == {p.default for p in given}


@pytest.mark.parametrize("option", fields(Options), ids=lambda option: option.name)
def test_every_option_has_a_help_text_and_a_parameter(option):
    assert option.metadata["help"].endswith(".")
    assert option.name in OURS


@pytest.mark.parametrize("name", [name for name in OURS if name != "unknown"])
def test_every_parameter_is_told_in_the_docstring(name):
    assert name in impala_ha.connect.__doc__
