"""The documentation is checked like code: examples run, options are all there, links lead somewhere."""

import ast
import importlib.util
import os
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

import impala_ha
from impala_ha import Fault, Phase, errors
from impala_ha.cli._commands import COMMANDS
from impala_ha.cli._commands import impala_ha as operator
from impala_ha.cli._options import command as connect_command
from impala_ha.failover.decision_table import decide
from impala_ha.options.options import Options
from impala_ha.options.settings import HOST_VARIABLES, INSTEAD_OF, NAMES, OTHERS_PORT, Settings
from impala_ha.sql.statement import Effect
from impala_ha.testing import LocalCluster

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted(DOCS.rglob("*.md")),
]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "make_data.py")
# What a block needs is a module, or something that no module brings: `tests/servers` run those.
BLOCK = re.compile(r"(?:<!-- needs ([\w-]+) -->\n)?```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOSTS = "coord1,coord2,coord3"
PANDAS = "ignore:pandas only supports SQLAlchemy"


def named(path):
    return str(path.relative_to(ROOT))


def blocks(page, language):
    """(needs, line, code) of each block of *language*."""
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        if match[2] == language:
            yield match[1], text.count("\n", 0, match.start(3)), match[3]


def program_of(page, hosts):
    """The Python of a page, each line where it stands on the page, so that tracebacks fit."""
    lines = [""] * (page.read_text("utf-8").count("\n") + 1)
    for needs, first, code in blocks(page, "python"):
        if needs is None or importlib.util.find_spec(needs):
            for offset, line in enumerate(code.splitlines()):
                lines[first + offset] = line.replace(HOSTS, hosts)
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(3, data=ROOT / "examples" / "data") as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def healed(request):
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").heal()


def run(arguments, cluster, cwd):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IMPALA")}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=cwd,
        # What the processes of a machine share: not the coordinators that another page killed.
        env={**environment, "IMPALA_HA_HOSTS": cluster.hosts, "XDG_RUNTIME_DIR": str(cwd)},
    )


@pytest.mark.parametrize("page", [p for p in PAGES if list(blocks(p, "python"))], ids=named)
def test_the_python_of_a_page_runs(page, cluster, tmp_path):
    program = tmp_path / "test_page.py"
    program.write_text(program_of(page, cluster.hosts), encoding="utf-8")
    tool = (
        ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
        if "import pytest" in program.read_text()
        else []
    )
    done = run(["-W", "error", "-W", PANDAS, *tool, program], cluster, tmp_path)

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_python_that_needs_more_than_we_have_compiles_and_connects_with_options_that_exist(page):
    for needs, _, code in blocks(page, "python"):
        if needs is None:
            continue
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "connect":
                words = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
                Settings.read({"host": "a", **words}, {})


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_an_example_runs_and_says_something(example, cluster, tmp_path):
    arguments = ["2024-01-02"] if example.name == "etl.py" else []
    done = run(["-W", "error", example, *arguments], cluster, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert done.stdout + done.stderr


def test_the_etl_example_may_be_started_again(cluster, tmp_path):
    for _ in range(2):
        assert 0 == run([ROOT / "examples/etl.py", "2024-01-03"], cluster, tmp_path).returncode
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM load_journal WHERE day = '2024-01-03'")

        assert [(1,)] == cursor.fetchall()


def test_the_sql_example_runs(cluster, tmp_path):
    program = "from impala_ha.cli.connect import main; raise SystemExit(main())"
    done = run(["-c", program, "-f", ROOT / "examples/flights.sql", "-B"], cluster, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert "\t" in done.stdout


def shell_lines():
    for page in PAGES:
        for language in ("sh", "console", "diff"):
            for _, line, code in blocks(page, language):
                for each in code.replace("\\\n", " ").splitlines():
                    text = each.removeprefix("$ ").removeprefix("+").strip()
                    if text.startswith(("impala-connect ", "impala-ha ")):
                        yield pytest.param(text, id=f"{named(page)}:{line}")


@pytest.mark.parametrize("text", list(shell_lines()))
def test_a_line_for_the_shell_has_flags_that_exist(text):
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("|<>&;()"):
            break
        words.append(word)
    if words[0] == "impala-ha":
        found = operator.get_command(click.Context(operator), words[1])
        found.make_parser(click.Context(found)).parse_args(words[2:])
    else:
        connect = connect_command(lambda **_: None)
        connect.make_parser(click.Context(connect)).parse_args(words[1:])


def test_every_option_and_its_variable_are_in_the_reference():
    reference = (DOCS / "reference.md").read_text("utf-8")
    for option in fields(Options):
        assert f"| `{option.name}` | `IMPALA_HA_{option.name.upper()}` |" in reference
    for variable in HOST_VARIABLES:
        assert f"`{variable}`" in reference


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_variable_that_is_spoken_of_exists(page):
    known = {f"IMPALA_HA_{name.upper()}" for name in NAMES} | {
        *HOST_VARIABLES,
        OTHERS_PORT,
        INSTEAD_OF,
    }
    known |= {"IMPALA_SHELL_GLOBAL_CONFIG_FILE", "IMPALA_HISTFILE"}  # of impala-shell
    wrong = {"IMPALA_HA_HOST"}  # shown as a mistake that is warned about
    spoken = set(re.findall(r"\bIMPALA_[A-Z_]*[A-Z]\b(?!\.)", page.read_text("utf-8")))

    assert set() == spoken - known - wrong


def test_every_public_name_is_in_the_reference():
    reference = (DOCS / "reference.md").read_text("utf-8")
    modules = [impala_ha, impala_ha.errors, impala_ha.events, impala_ha.policies, impala_ha.testing]

    public = {name for one in modules for name in one.__all__} - {"errors"}
    assert set() == {name for name in public if not re.search(rf"(?<!\w){name}\b", reference)}


def test_every_flag_of_every_program_is_in_the_reference():
    reference = (DOCS / "reference.md").read_text("utf-8")
    context = click.Context(operator)
    commands = [operator.get_command(context, name) for name in COMMANDS]
    for command in [connect_command(lambda **_: None), *commands]:
        for option in command.params:
            for flag in (*option.opts, *option.secondary_opts):
                if isinstance(option, click.Option):
                    assert f"`{flag}`" in reference


def test_every_flag_of_impala_connect_is_on_its_page():
    page = (DOCS / "impala-connect.md").read_text("utf-8")
    for option in connect_command(lambda **_: None).params:
        if isinstance(option, click.Option):
            assert any(re.search(rf"(?<![\w-]){flag}(?![\w-])", page) for flag in option.opts), (
                f"{option.opts} is not on the page"
            )


@pytest.fixture(scope="module")
def make_reference():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(make_reference):
    """If this fails: python docs/make_reference.py"""
    assert make_reference.reference() == make_reference.REFERENCE.read_text("utf-8")


def test_the_man_pages_are_what_the_programs_say():
    spec = importlib.util.spec_from_file_location("make_man", DOCS / "make_man.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    folder = DOCS / "man"
    assert module.pages() == {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_the_facts_of_each_fault_are_what_the_code_says(make_reference):
    """If this fails: python docs/make_reference.py"""
    text = make_reference.OPERATIONS.read_text("utf-8")

    assert make_reference.operations(text) == text
    for fault in Fault:
        section = text.partition(f"### {fault.name}\n")[2].partition("\n### ")[0]
        assert make_reference.facts(fault) in section, fault
        for word in ("**Means.**", "**The caller sees.**", "**Do.**"):
            assert word in section, f"{fault}: {word}"


def test_the_rules_are_what_the_code_says_and_each_has_its_test(make_reference):
    """If this fails: python docs/make_reference.py"""
    text = make_reference.FAULTS_TABLE.read_text("utf-8")
    tests = (DOCS.parent / "tests" / "unit" / "test_faults.py").read_text("utf-8")

    assert make_reference.faults_table(text) == text
    for rule in make_reference.FAULT_RULES:
        assert f"def {make_reference.test_of(rule)}" in tests


def test_operations_explains_every_fault_and_no_other():
    text = (DOCS / "operations.md").read_text("utf-8").partition("## The faults")[2]

    assert [fault.name for fault in Fault] == re.findall(r"^### (\w+)$", text, re.MULTILINE)


def test_operations_explains_every_error_of_ours():
    text = (DOCS / "operations.md").read_text("utf-8")
    ours = {
        name
        for name in errors.__all__
        if (kind := getattr(errors, name)).__module__ == errors.__name__
        and issubclass(kind, errors.Error)
    }

    assert "OutcomeUnknown" in ours
    assert [] == [name for name in sorted(ours) if f"| `{name}` |" not in text]


@pytest.mark.parametrize(
    ("row", "met", "again", "told"),
    [
        ("a coordinator is dead", "UNREACHABLE CONNECT", (True, True), None),
        ("before the statement was sent", "UNREACHABLE UNSENT", (True, True), None),
        ("under a `SELECT`", "LOST RUNNING", (True, False), None),
        ("under an `INSERT`", "LOST SENT", (True, False), "OutcomeUnknown"),
        ("it is shutting down", "DRAINING SENT", (True, True), None),
        ("no longer knows the session", "SESSION_GONE SENT", (True, True), None),
        ("its session limit", "FULL OPEN", (True, True), None),
        ("the admission queue is full", "BUSY RUNNING", (True, True), None),
        ("does not know yet the table", "STALE RUNNING", (True, True), None),
        ("an executor is lost", "EXECUTORS RUNNING", (True, False), "OutcomeUnknown"),
        ("certificate is not trusted", "UNTRUSTED CONNECT", (True, True), None),
        ("user or password", "DENIED LOGIN", (False, False), "AuthenticationFailed"),
        ("refuses a Kerberos ticket", "REFUSED LOGIN", (True, True), "AuthenticationFailed"),
        ("your SQL is wrong", "QUERY RUNNING", (False, False), None),
    ],
)
def test_a_row_of_the_readme_says_what_the_rules_say(row, met, again, told):
    table = (ROOT / "README.md").read_text("utf-8").partition("## What happens when")[2]
    (line,) = [line for line in table.splitlines() if line.startswith("|") and row in line]
    fault, phase = met.split()
    read = decide(Fault[fault], Phase[phase], Effect.READ)
    write = decide(Fault[fault], Phase[phase], Effect.WRITE)

    assert again == (read.again, write.again)
    assert told is None or (told == write.error and f"`{told}`" in line)


def test_the_numbers_in_the_readme_are_the_defaults():
    text = (ROOT / "README.md").read_text("utf-8")
    default = Options()
    for name in ("connect_timeout", "hedge_after", "probe_after", "deadline"):
        assert f"`{name}` ({getattr(default, name):g} s)" in text
    assert f"ejected for {default.eject_for:g} s, and then tried by one call" in text
    assert f"... up to {default.eject_most:g} s" in text


def test_the_design_names_every_module():
    text = (DOCS / "design.md").read_text("utf-8")
    house = ROOT / "src" / "impala_ha"
    names = {path.stem for path in house.rglob("*.py")} - {"__init__"}
    guests = {
        path.stem for guest in ("cli", "testing", "tools") for path in (house / guest).rglob("*.py")
    }

    assert [] == sorted(name for name in names - guests if f"`{name}`" not in text)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page):
    text = BLOCK.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (page.parent / name).resolve() if name else page
        assert goal.exists(), target
        if anchor:
            assert anchor in anchors(goal), target


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", h).strip().lower()) for h in headings}


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]

    listed = set(re.findall(r"(\S+\.md)\b", navigation))
    assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} == listed


def test_the_changelog_knows_this_version():
    assert f"## {impala_ha.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_an_identifier_is_not_broken_in_mid_word():
    """The theme breaks code anywhere; a name that was broken cannot be found by searching."""
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    style = (DOCS / "code.css").read_text("utf-8")
    hook = runpy.run_path(str(DOCS / "unbroken_code.py"))["on_page_content"]

    assert "extra_css:\n  - code.css" in site
    assert "hooks:\n  - docs/unbroken_code.py" in site
    assert re.search(r"td code[^}]*word-break: normal", style)
    assert re.search(r"unbroken[^}]*white-space: nowrap", style)
    assert hook("<pre><code>a --b</code></pre><code>a --b</code>") == (
        "<pre><code>a --b</code></pre>"
        '<code><span class="unbroken">a</span> <span class="unbroken">--b</span></code>'
    )
