"""Who lacks an extra reads one line that says what to type."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from impala_ha.core.extras import MissingExtra, import_extra

pytestmark = pytest.mark.slow(20)


def test_a_module_that_is_there_is_what_import_gives():
    assert import_extra("json", "cli") is json


def test_a_dotted_name_gives_its_last_part():
    assert import_extra("json.decoder", "cli") is json.decoder


def test_a_module_that_is_not_there_is_reported_in_one_line():
    with pytest.raises(MissingExtra) as refusal:
        import_extra("no_such_module.deep", "pandas")

    assert str(refusal.value) == (
        "no_such_module.deep is not installed: pip install 'impala-ha[pandas]'"
    )


@pytest.mark.parametrize("package", ["kerberos", "gssapi"])
def test_kerberos_also_needs_packages_of_the_system(package):
    with pytest.raises(MissingExtra) as refusal:
        import_extra("no_such_module", package)

    assert "apt install gcc python3-dev libkrb5-dev" in str(refusal.value)
    assert "dnf install gcc python3-devel krb5-devel" in str(refusal.value)
    assert "\n" not in str(refusal.value)


BROKEN = [
    ("raise ImportError('libkrb5.so.3: cannot open\\nshared object')", "libkrb5.so.3: cannot open"),
    ("raise ImportError", "ImportError"),
    ("import no_such_dependency", "No module named 'no_such_dependency'"),
]


@pytest.mark.parametrize(("source", "reason"), BROKEN)
def test_a_module_that_is_there_but_broken_is_told_from_one_that_is_not(
    source, reason, tmp_path, monkeypatch
):
    (tmp_path / "broken_extra.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingExtra) as refusal:
        import_extra("broken_extra", "kerberos")

    assert f"broken_extra does not load ({reason}): pip install" in str(refusal.value)


def test_the_dialect_without_its_extra_says_what_to_type():
    code = "import sys; sys.modules['sqlalchemy'] = None; import impala_ha.sqlalchemy"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.endswith("pip install 'impala-ha[sqlalchemy]'\n"), done.stderr


@pytest.mark.parametrize("module", ["click", "rich"])
def test_the_program_without_its_extra_says_what_to_type(module):
    code = (
        f"import sys; sys.modules[{module!r}] = None;"
        "from impala_ha.cli.connect import main; sys.exit(main())"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, "-e", "select 1"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"impala-connect: {module} ")
    assert done.stderr.endswith("pip install 'impala-ha[cli]'\n")
    assert done.stderr.count("\n") == 1


def test_parquet_without_its_extra_says_what_to_type_before_anything_is_opened(tmp_path):
    absent = "raise ModuleNotFoundError('No module named pyarrow', name='pyarrow')"
    tmp_path.joinpath("pyarrow.py").write_text(absent)
    out = tmp_path / "x.parquet"
    words = ["-i", "127.15.0.1:1", "-e", "select 1", "-o", str(out)]

    done = subprocess.run(
        [sys.executable, "-c", "from impala_ha.cli.connect import main; exit(main())", *words],
        env={**os.environ, "PYTHONPATH": hiding(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout, out.exists()) == (2, "", False)
    assert done.stderr == (
        "impala-connect: pyarrow.parquet is not installed: pip install 'impala-ha[arrow]'\n"
    )


def hiding(before):
    """A path on which modules of the directory *before* hide the installed ones."""
    return os.pathsep.join([str(before), os.environ.get("PYTHONPATH", "")])


PROGRAMS = [
    ("demo", "duckdb", "local"),
    ("demo", "sqlglot", "local"),
    ("demo", "numpy", "local"),
    ("demo", "rich", "local"),
    ("local", "duckdb", "local"),
    ("local", "sqlglot", "local"),
    ("local", "numpy", "local"),
    ("local", "click", "local"),
    ("local --http --auth JWT --jwt-key KEY", "jwt", "testing"),
    ("local --auth GSSAPI --keytab KEY", "gssapi", "testing"),
    ("doctor -i 127.15.0.1:1", "rich", "cli"),
    ("explain", "click", "cli"),
]


@pytest.mark.parametrize(("words", "module", "extra"), PROGRAMS)
def test_every_command_without_its_extra_says_what_to_type(words, module, extra, tmp_path):
    absent = f"raise ModuleNotFoundError('No module named {module}', name={module!r})"
    tmp_path.joinpath(f"{module}.py").write_text(absent)
    key = tmp_path.joinpath("key")
    key.write_text("key")

    done = operator(*words.replace("KEY", str(key)).split(), before=tmp_path)

    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert done.stderr.endswith(f"{module} is not installed: pip install 'impala-ha[{extra}]'\n")
    assert done.stderr.count("\n") == 1


def test_the_demo_needs_no_more_than_its_extra_brings(tmp_path):
    tmp_path.joinpath("pyarrow.py").write_text("raise ImportError('not a part of the extra')")

    done = operator("demo", "--seconds", "5", "--seed", "3", before=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def operator(*words, before):
    """`impala-ha`, where modules of the directory *before* hide the installed ones."""
    return subprocess.run(
        [sys.executable, "-c", "from impala_ha.cli.operator import main; main()", *words],
        env={**os.environ, "PYTHONPATH": hiding(before)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
