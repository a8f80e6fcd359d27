"""Tracebacks: who made a mistake sees the line with it, and not the house below."""

import subprocess
import sys
import traceback
from collections import deque
from pathlib import Path

import pytest
from test_failover import World, lost

import impala_ha
from impala_ha import errors

HOUSE = str(Path(impala_ha.__file__).parent)
WRONG = "AnalysisException: Syntax error in line 1"


def below(error):
    """The frames below those of this file."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return [name for name in frames if name != __file__ and not name.endswith("test_failover.py")]


def raised(call):
    with pytest.raises(errors.Error) as caught:
        call()
    found = below(caught.value)
    assert found, "it comes from the library"
    assert all(name.startswith(HOUSE) for name in found)
    return caught.value


@pytest.fixture
def world():
    return World()


def test_a_syntax_error_has_three_frames_of_ours_at_most(world):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([WRONG])

    error = raised(lambda: cursor.execute("selec 1"))

    assert "Syntax error" in str(error)
    assert len(below(error)) <= 3
    assert error.__cause__ is None
    assert error.__context__ is None


def test_so_has_one_after_a_failover(world):
    cursor = world.connect().cursor()
    world["a"].down = True
    world["b"].script["ExecuteStatement"] = deque([WRONG])

    assert len(below(raised(lambda: cursor.execute("selec 1")))) <= 3


def test_so_has_one_that_comes_while_the_statement_runs(world):
    cursor = world.connect().cursor()
    cursor.execute_async("select 1")
    world["a"].script["GetOperationStatus"] = deque([WRONG])

    assert len(below(raised(cursor.is_executing))) <= 3


@pytest.mark.parametrize("call", ["fetchall", "fetchone", "fetchmany", "fetchcbatch", "__next__"])
def test_so_has_one_that_comes_with_the_rows(world, call):
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    world["a"].script["FetchResults"] = deque([WRONG])

    assert len(below(raised(getattr(cursor, call)))) <= 3


def test_so_has_one_of_the_profile(world):
    cursor = world.connect().cursor()
    cursor.execute("select 1")
    world["a"].script["GetRuntimeProfile"] = deque([WRONG])

    assert len(below(raised(cursor.get_profile))) <= 3


@pytest.mark.parametrize("values", [[1], [1, 2, 3], [1, object()]])
def test_so_have_parameters_that_do_not_fit(world, values):
    cursor = world.connect().cursor()

    assert len(below(raised(lambda: cursor.execute("select %s, %s", values)))) <= 3


def test_an_error_of_ours_has_few_and_what_it_stands_for_has_all(world):
    cursor = world.connect().cursor()
    world["a"].script["ExecuteStatement"] = deque([lost()])

    error = raised(lambda: cursor.execute("insert into t values (1)"))

    assert isinstance(error, errors.OutcomeUnknown)
    assert len(below(error)) <= 3
    assert len(below(error.__cause__)) >= 2, "for whoever has to find out"


def test_nobody_left_has_few(world):
    for host in "abc":
        world[host].down = True

    assert len(below(raised(world.connect))) <= 3
    assert len(below(raised(world.cursor))) <= 3


@pytest.mark.parametrize("wrong", [{"policy": "best"}, {"use_ssl": True, "ca_cert": __file__}])
def test_a_wrong_option_has_one(wrong):
    error = raised(lambda: impala_ha.connect("127.0.0.1", **wrong))

    assert isinstance(error, errors.ConfigurationError)
    assert 1 == len(below(error))


def test_tenacity_is_loaded_only_where_something_failed():
    """It turns the wheel from the second try on, and costs an import."""
    folder = str(Path(__file__).parent)
    program = (
        f"import sys; sys.path.insert(0, {folder!r})\n"
        "from test_failover import World\n"
        "World().connect().cursor().execute('select 1')\n"
        "assert 'tenacity' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
