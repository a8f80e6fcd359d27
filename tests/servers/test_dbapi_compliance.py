"""
The compliance suite of PEP 249 (``dbapi-compliance`` on PyPI), run by us on a local cluster.

All 36 cases run; where one is changed, Impala or the suite itself leaves no choice:

- Impala puts no STRING into a VARCHAR without a cast, so the columns are STRING.
- A DDL statement of Impala has a result: one row, "summary".  The suite wants a statement without
  one, so each DDL is followed by a USE, which has none.
- A second close() is no error here; the suite itself says that reasonable persons differ.
- ``nextset`` and ``setoutputsize`` must be written by each driver.
"""

from __future__ import annotations

from typing import ClassVar

import dbapi20
import pytest

import impala_ha.dbapi
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module", autouse=True)
def _somewhere():
    with LocalCluster(2) as cluster:
        Compliance.connect_kw_args = {"host": cluster.hosts}
        yield
        assert [[], []] == [coordinator.sessions for coordinator in cluster], "sessions leak"


class Compliance(dbapi20.DatabaseAPI20Test):
    """What PEP 249 asks."""

    driver = impala_ha.dbapi
    connect_kw_args: ClassVar[dict[str, str]] = {}
    ddl1 = dbapi20.DatabaseAPI20Test.ddl1.replace("varchar(20)", "string")
    ddl2 = dbapi20.DatabaseAPI20Test.ddl2.replace("varchar(20)", "string").replace(
        "varchar(30)", "string"
    )

    def executeDDL1(self, cursor):  # noqa: N802 - the suite's name
        cursor.execute(self.ddl1)
        cursor.execute("USE default")

    def executeDDL2(self, cursor):  # noqa: N802 - the suite's name
        cursor.execute(self.ddl2)
        cursor.execute("USE default")

    def test_non_idempotent_close(self):
        con = self._connect()
        con.close()
        con.close()

        with pytest.raises(self.driver.Error):
            con.cursor()

    def test_nextset(self):
        """There is never a second result, so there is no method, as PEP 249 allows."""
        cur = self._connect().cursor()

        assert not hasattr(cur, "nextset")

    def test_setoutputsize(self):
        """It has no effect, as PEP 249 allows."""
        cur = self._connect().cursor()
        cur.setoutputsize(1000)
        cur.setoutputsize(2000, 0)
        cur.execute("SELECT 'whole'")

        assert [("whole",)] == cur.fetchall()


def test_ddl_of_impala_has_a_result():
    """The reason for which DDL is followed by USE above."""
    with impala_ha.connect(**Compliance.connect_kw_args) as con, con.cursor() as cur:
        cur.execute("DROP TABLE IF EXISTS never_there")

        assert "summary" == cur.description[0][0]
        assert 1 == len(cur.fetchall())


def test_the_whole_suite_is_here():
    names = [name for name in dir(dbapi20.DatabaseAPI20Test) if name.startswith("test_")]

    assert 36 == len(names)
    assert all(callable(getattr(Compliance, name)) for name in names)
