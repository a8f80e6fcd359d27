"""A result becomes a file of Parquet, which is whole or not there."""

from __future__ import annotations

from collections import deque

import pytest
from test_cli_run import wanted
from test_failover import World, lost
from test_rows import rows

from impala_ha.cli.connect import parquet
from impala_ha.cli.connect.destination import WholeFile
from impala_ha.cli.connect.notes import Notes, Verbosity
from impala_ha.cli.connect.parquet import Parquet
from impala_ha.cli.connect.run import run

pq = pytest.importorskip("pyarrow.parquet", reason="the extra arrow is not installed")


class Connection:
    """One cursor of the library, on coordinators in memory."""

    coordinator = "a:21050"

    def __init__(self, *answers):
        self.world = World()
        self.world["a"].script["FetchResults"] = deque(answers)

    def cursor(self, **_):
        return self.world.connect().cursor()

    def close(self):
        """There is nothing to close."""


@pytest.fixture
def path(tmp_path):
    """Where the result goes, and where one of yesterday is."""
    path = tmp_path / "x.parquet"
    path.write_text("of yesterday")
    return path


def written(path, *answers, script=("select 1",)):
    """The exit status of a run that gets these answers to FetchResults."""
    request = wanted(script, form=lambda _: Parquet("ns"), destination=WholeFile(path, None))
    connection = Connection(*answers)
    return run(request, lambda: connection, Notes(Verbosity.NORMAL))


def names(path):
    """What is in its folder."""
    return [each.name for each in path.parent.iterdir()]


def fail(error):
    def answer(_):
        raise error

    return answer


def end(first):
    return rows(first, [], more=False)


def test_a_result_takes_the_place_of_the_file(path, capsys):
    status = written(path, rows(0, ["one", "two"]), rows(2, ["three"]), end(3))

    assert (status, pq.read_table(path).to_pydict()) == (0, {"c": ["one", "two", "three"]})
    assert capsys.readouterr().err.startswith("Fetched 3 row(s) in ")
    assert names(path) == ["x.parquet"]


def test_a_result_without_rows_has_its_columns(path):
    assert written(path, end(0)) == 0
    assert pq.read_table(path).to_pydict() == {"c": []}


@pytest.mark.parametrize(("limit", "most"), [("_GROUP_ROWS", 3), ("_GROUP_BYTES", 20)])
def test_batches_are_collected_into_row_groups(path, monkeypatch, limit, most):
    monkeypatch.setattr(parquet, limit, most)
    texts = [str(number) for number in range(7)]
    written(path, *(rows(first, [text]) for first, text in enumerate(texts)), end(7))

    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert file.read().to_pydict() == {"c": texts}
    assert 1 < max(groups) == groups[0] < 7


def test_a_result_that_breaks_off_leaves_the_file_of_yesterday(path, capsys):
    status = written(path, rows(0, ["one", "two"]), fail(lost()))

    assert (status, path.read_text(), names(path)) == (1, "of yesterday", [path.name])
    assert capsys.readouterr().err.startswith(
        "impala-connect: the result is incomplete: it broke off after 2 row(s), and x.parquet was"
        " not written\n"
    )


def test_a_result_that_is_interrupted_leaves_the_file_of_yesterday(path):
    with pytest.raises(KeyboardInterrupt):
        written(path, rows(0, ["one"]), fail(KeyboardInterrupt()))

    assert (path.read_text(), names(path)) == ("of yesterday", [path.name])


def test_a_value_that_has_no_place_in_its_type_leaves_the_file_of_yesterday(path, capsys):
    broken = rows(1, ["two"])
    broken(None).results.columns[0].stringVal.values[0] = b"\xff"
    status = written(path, rows(0, ["one"]), broken)

    assert (status, path.read_text(), names(path)) == (1, "of yesterday", [path.name])
    assert "column c has a value that is no string" in capsys.readouterr().err
