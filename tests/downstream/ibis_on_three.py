"""
ibis' own tests of its backend for Impala, on the three coordinators: a plugin of pytest.

They load their data by HDFS and Docker; here the one table whose rows they look at is made by SQL,
with the rows that Impala's own table of that name has; those of TPC-H are empty, but for nation.
"""

from contextlib import closing

from ibis.backends.impala.tests.conftest import TestConf as Theirs

DATABASE = "ibis_testing"
_DIGITS = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10))
_ALLTYPES = f"""
CREATE TABLE {DATABASE}.functional_alltypes AS
SELECT
  CAST(i AS INT) AS id,
  i % 2 = 0 AS bool_col,
  CAST(i % 10 AS INT) AS tinyint_col,
  CAST(i % 10 AS INT) AS smallint_col,
  CAST(i % 10 AS INT) AS int_col,
  CAST(10 * (i % 10) AS BIGINT) AS bigint_col,
  CAST(1.1 * (i % 10) AS FLOAT) AS float_col,
  CAST(10.1 * (i % 10) AS DOUBLE) AS double_col,
  from_timestamp(days_add(CAST('2009-01-01' AS TIMESTAMP), CAST(floor(i / 10) AS INT)), 'MM/dd/yy')
    AS date_string_col,
  CAST(i % 10 AS STRING) AS string_col,
  minutes_add(
    days_add(CAST('2009-01-01' AS TIMESTAMP), CAST(floor(i / 10) AS INT)), CAST(i % 10 AS INT)
  ) AS timestamp_col,
  CAST(year(days_add(CAST('2009-01-01' AS TIMESTAMP), CAST(floor(i / 10) AS INT))) AS INT) AS year,
  CAST(month(days_add(CAST('2009-01-01' AS TIMESTAMP), CAST(floor(i / 10) AS INT))) AS INT) AS month
FROM (
  SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS i
  FROM ({_DIGITS}) a CROSS JOIN ({_DIGITS}) b CROSS JOIN ({_DIGITS}) c CROSS JOIN ({_DIGITS}) d
) numbers
WHERE i < 7300
"""
_MONEY = "decimal(12,2)"
_TPCH = {
    "region": "r_regionkey smallint, r_name string, r_comment string",
    "nation": "n_nationkey smallint, n_name string, n_regionkey smallint, n_comment string",
    "customer": "c_custkey bigint, c_name string, c_address string, c_nationkey smallint, "
    f"c_phone string, c_acctbal {_MONEY}, c_mktsegment string, c_comment string",
    "orders": f"o_orderkey bigint, o_custkey bigint, o_orderstatus string, o_totalprice {_MONEY}, "
    "o_orderdate string, o_orderpriority string, o_clerk string, o_shippriority int, "
    "o_comment string",
    "lineitem": "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber int, "
    f"l_quantity {_MONEY}, l_extendedprice {_MONEY}, l_discount {_MONEY}, l_tax {_MONEY}, "
    "l_returnflag string, l_linestatus string, l_shipdate string, l_commitdate string, "
    "l_receiptdate string, l_shipinstruct string, l_shipmode string, l_comment string",
}
_NATIONS = f"""
INSERT INTO {DATABASE}.nation
SELECT CAST(a.n + 10 * b.n AS SMALLINT), 'name', CAST(a.n AS SMALLINT), ''
FROM ({_DIGITS}) a CROSS JOIN ({_DIGITS}) b WHERE a.n + 10 * b.n < 25
"""


def _nothing(_tests):
    """Their files stay where they are."""


def _load_data(tests, **_):
    tpch = (f"CREATE TABLE {DATABASE}.{name} ({columns})" for name, columns in _TPCH.items())
    for statement in (
        f"CREATE DATABASE {DATABASE}",
        f"USE {DATABASE}",
        _ALLTYPES,
        *tpch,
        _NATIONS,
    ):
        with closing(tests.connection.raw_sql(statement)):
            pass


def pytest_configure():
    Theirs.preload = _nothing
    Theirs._load_data = _load_data
