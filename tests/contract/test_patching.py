"""`impala_ha.patch`: a program that imports impyla gets our connections, where it should."""

import functools
import inspect
import multiprocessing
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import impala.dbapi
import impala.hiveserver2
import pytest
from impala.dbapi import connect as imported_before

import impala_ha
from impala_ha.dbapi import patching

VARIABLES = ("IMPALA_HA_HOSTS", "IMPALA_HA_INSTEAD_OF")


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)


@pytest.fixture
def patched():
    impala_ha.patch(children=False)
    yield impala.dbapi.connect
    impala_ha.unpatch()


def is_ours(connection):
    with closing(connection):
        assert isinstance(connection, impala.hiveserver2.HiveServer2Connection)
        return isinstance(connection, impala_ha.Connection)


def first(cluster):
    host, _, port = cluster.hosts.split(",")[0].rpartition(":")
    return {"host": host, "port": int(port)}


@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda hosts: hosts.replace(",", " "),
        lambda hosts: hosts.split(","),
        lambda hosts: lambda: hosts,
        lambda hosts: impala_ha.Cluster(
            [impala_ha.Coordinator(*first_of(each)) for each in hosts.split(",")]
        ),
    ],
    ids=["commas", "spaces", "list", "function", "Cluster"],
)
def test_several_hosts_are_ours(cluster, patched, form):
    assert is_ours(patched(form(cluster.hosts), auth_mechanism="NOSASL"))


def first_of(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def test_so_is_a_source_of_hosts(cluster, patched, tmp_path):
    path = tmp_path / "hosts"
    path.write_text(cluster.hosts)

    assert is_ours(patched(f"file://{path}"))


@pytest.mark.parametrize(
    ("form", "counts"),
    [
        ("srv://_impala._tcp.example.com", False),
        ("zookeeper://a,b/hiveserver2", False),
        ("dns://impala.example.com:21051", False),
        ("dns://impala.example.com:21050", True),
        ("backends://a", True),
        ("dns://127.0.0.1", True),
        ("a:21050,b:21051", False),
        ("a,b:21051", True),
        (impala_ha.Cluster([impala_ha.Coordinator("a")]), False),
        (lambda: "a", True),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_whether_the_port_of_a_tool_counts(form, counts):
    """It does not where nobody is left whose port it could be; the last but one URL is none."""
    assert counts is not patching._names_ports(form, "21050")


def test_the_port_of_a_tool_counts_for_those_that_name_none(cluster, patched):
    """Most tools have one by default, and their users never typed it."""
    here = first(cluster)
    hosts = [here["host"], cluster.hosts.split(",")[1]]

    assert is_ours(patched(host=cluster.hosts, port=21050))
    with closing(patched(host=hosts, port=here["port"], policy="ordered")) as connection:
        assert here["port"] == connection.coordinator.port


def test_one_host_is_impylas_as_before(cluster, patched):
    assert not is_ours(patched(**first(cluster)))


def test_without_a_host_those_of_the_environment_are_meant(cluster, patched, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_HOSTS", cluster.hosts)

    assert is_ours(patched())
    assert is_ours(patched(host=None, port=21050))


def test_a_host_of_the_environments_list_stands_for_the_list(cluster, patched, monkeypatch):
    """It is the program that was written for the first coordinator."""
    monkeypatch.setenv("IMPALA_HA_HOSTS", cluster.hosts)
    cluster[0].kill()

    assert is_ours(patched(**first(cluster)))


def test_a_host_that_is_not_in_the_list_is_the_tools(cluster, patched, monkeypatch):
    """Nobody wants the statements for Hive on Impala."""
    monkeypatch.setenv("IMPALA_HA_HOSTS", ",".join(cluster.hosts.split(",")[1:]))

    connection = patched(**first(cluster))

    assert not is_ours(connection)


@pytest.mark.parametrize("named", ["lb.example.com", "lb.example.com:21050", "x, LB.Example.com"])
def test_a_load_balancer_can_be_replaced_by_the_list(cluster, patched, monkeypatch, named):
    monkeypatch.setenv("IMPALA_HA_HOSTS", cluster.hosts)
    monkeypatch.setenv("IMPALA_HA_INSTEAD_OF", named)

    assert is_ours(patched(host="lb.example.com"))


def test_another_port_of_it_is_not(cluster, patched, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_HOSTS", cluster.hosts)
    here = first(cluster)
    monkeypatch.setenv("IMPALA_HA_INSTEAD_OF", f"{here['host']}:1")
    monkeypatch.setenv("IMPALA_HA_HOSTS", "nowhere.invalid")

    assert not is_ours(patched(**here))


def test_a_source_in_the_environment_goes_with_names_that_it_stands_for(
    cluster, patched, monkeypatch, tmp_path
):
    path = tmp_path / "hosts"
    path.write_text(cluster.hosts)
    monkeypatch.setenv("IMPALA_HA_HOSTS", f"file://{path}")
    here = first(cluster)

    assert not is_ours(patched(**here))
    monkeypatch.setenv("IMPALA_HA_INSTEAD_OF", f"{here['host']}:{here['port']}")
    assert is_ours(patched(**here))


def test_arguments_go_before_the_environment(cluster, patched, monkeypatch):
    monkeypatch.setenv("IMPALA_HA_HOSTS", "nowhere.invalid")
    monkeypatch.setenv("IMPALA_HA_DATABASE", "nothing")

    with closing(patched(cluster.hosts, None, "default")) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT current_database()")

        assert ("default",) == cursor.fetchone()


def test_who_imported_it_before_has_it_too(cluster, patched):
    assert imported_before is patched
    assert is_ours(functools.partial(imported_before, cluster.hosts)())


def test_it_looks_as_before(patched):
    impala_ha.patch(children=False)
    names = list(inspect.signature(patched).parameters)

    assert ("connect", "impala.dbapi") == (patched.__name__, patched.__module__)
    assert ["host", "port", "database"] == names[:3]
    assert "Get a connection to HiveServer2" in patched.__doc__


def test_wrong_arguments_are_told_as_impyla_tells_them(patched):
    with pytest.raises(TypeError, match="unexpected keyword argument 'hosts'"):
        patched(hosts="a")
    with pytest.raises(TypeError, match="positional arguments"):
        patched(*"x" * 40)
    with pytest.raises(TypeError, match="multiple values for argument 'host'"):
        patched("a", host="b")


def test_undone_it_is_impylas_and_takes_its_defaults(cluster):
    before = inspect.signature(impala.dbapi.connect), impala.dbapi.connect.__code__
    for _ in range(2):
        impala_ha.patch()
        impala_ha.patch()
        impala_ha.unpatch()
        impala_ha.unpatch()

    assert before == (inspect.signature(impala.dbapi.connect), impala.dbapi.connect.__code__)
    assert not is_ours(impala.dbapi.connect(**first(cluster)))
    assert "PYTHONPATH" not in os.environ


def test_a_function_around_it_stays_in_its_place(cluster, monkeypatch):
    """As tracers put one there."""
    called = []

    @functools.wraps(impala.dbapi.connect)
    def traced(*args, **kwargs):
        called.append(args)
        return traced.__wrapped__(*args, **kwargs)

    monkeypatch.setattr(impala.dbapi, "connect", traced)
    impala_ha.patch(children=False)
    try:
        assert is_ours(impala.dbapi.connect(cluster.hosts))
        assert [(cluster.hosts,)] == called
    finally:
        impala_ha.unpatch()


def test_what_is_no_function_is_not_patched(monkeypatch):
    monkeypatch.setattr(impala.dbapi, "connect", functools.partial(print))

    with pytest.raises(TypeError, match=r"impala\.dbapi\.connect cannot be patched: it is functoo"):
        impala_ha.patch()


def test_a_report_of_variables_has_no_password(patched):
    with pytest.raises(impala_ha.Error) as caught:
        patched(
            "a.invalid,b.invalid",
            21050,
            None,
            None,
            None,
            None,
            "LDAP",
            "u",
            "geheim-7",
            deadline=0.1,
        )
    frames = []
    step = caught.value.__traceback__
    while step is not None:
        frames.append((step.tb_frame.f_code.co_filename, repr(step.tb_frame.f_locals)))
        step = step.tb_next

    assert any(name == patching.__file__ for name, _ in frames)
    assert [] == [name for name, shown in frames if "geheim-7" in shown and name != __file__]


# Children.

CHILD = "import impala.dbapi; print(type(impala.dbapi.connect('@')).__module__)"
GRANDCHILD = (
    "import subprocess, sys\n"
    f"code = {CHILD!r}.replace('@', {{}})\n"
    "subprocess.run([sys.executable, '-c', code], check=True)"
)


def child(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, *arguments, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "" == done.stderr
    return done.stdout.strip()


@pytest.fixture
def with_children(monkeypatch):
    # The tests may run in a checkout that is not installed.
    monkeypatch.setenv("PYTHONPATH", str(Path(impala_ha.__file__).parents[1]))
    impala_ha.patch()
    yield
    impala_ha.unpatch()


def kind(hosts):
    return type(impala.dbapi.connect(hosts)).__module__


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_multiprocessing_are_patched(cluster, with_children, method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert "impala_ha.dbapi" == pool.apply(kind, [cluster.hosts])


@pytest.mark.parametrize(
    "code",
    [
        CHILD.replace("'@'", "{}"),
        "from impala.dbapi import connect; print(type(connect({})).__module__)",
        "import impala_ha, impala.dbapi as m; print(type(m.connect({})).__module__)",
        "import impala.sqlalchemy as s, impala.dbapi as m; print(type(m.connect({})).__module__)",
        GRANDCHILD,
    ],
    ids=["module", "function", "after ours", "by the dialect", "grandchild"],
)
def test_a_program_that_is_started_is_patched(cluster, with_children, code):
    assert "impala_ha.dbapi" == child(code.replace("{}", repr(cluster.hosts)))


def test_one_that_does_not_use_impyla_pays_nothing(with_children):
    code = (
        "import sys; print([n for n in sys.modules if n.startswith('impala')], len(sys.meta_path))"
    )

    assert "[]" == child(code).rpartition(" ")[0]


def test_its_path_and_the_loader_are_as_without_it(with_children):
    code = "import sys, impala.dbapi as m; print(sys.path, type(m.__loader__), m.__spec__.loader)"
    patched = child(code)
    impala_ha.unpatch()

    assert child(code).split(" object at ")[0] == patched.split(" object at ")[0]


def test_the_sitecustomize_of_the_user_runs(with_children, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nran = sys.path[:]\n")
    paths = f"{os.environ['PYTHONPATH']}{os.pathsep}{tmp_path}"
    code = f"import sitecustomize as s; print(s.__file__, s.ran.count({str(tmp_path)!r}))"

    assert f"{tmp_path}/sitecustomize.py 1" == child(code, PYTHONPATH=paths)


def test_an_error_in_it_is_told_as_ever(with_children, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import nowhere_to_be_found\n")
    paths = f"{os.environ['PYTHONPATH']}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", "print(1)"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "nowhere_to_be_found" in done.stderr


def test_a_python_without_the_library_says_that_it_does_without(tmp_path):
    """As where `impala-ha` is installed beside the tool, and not with it."""
    (tmp_path / "impala").mkdir()
    (tmp_path / "impala" / "__init__.py").touch()
    (tmp_path / "impala" / "dbapi.py").write_text("connect = 1\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    patching.for_children(environment)
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sitecustomize, impala.dbapi"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    assert "connects as without it, for impala-ha cannot be imported there" in done.stderr
