"""
Reads a big result once, in one way, in a process of its own; prints what it took, as JSON.

    python benchmarks/_read.py CLIENT WAY HOST PORT ROWS

Packages are imported before the clock starts, and only those that the way needs: PyHive has an
environment in which there is nothing else.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

SQL = "select * from canned"
#: The module of a client, and how it is told that there is no log-in.
CONNECT: dict[str, tuple[str, dict[str, str]]] = {
    "impyla": ("impala.dbapi", {"auth_mechanism": "NOSASL"}),
    "impala-ha": ("impala_ha", {"auth_mechanism": "NOSASL"}),
    "PyHive": ("pyhive.hive", {"auth": "NOSASL"}),
}
#: What a way needs, and is not to be measured.
PACKAGES = {
    "as_pandas": ["pandas", "impala.util"],
    "arrow": ["pyarrow.compute"],
    "batches": ["pyarrow.compute"],
    "pandas": ["pyarrow.compute", "pyarrow.pandas_compat", "pandas"],
    "polars": ["pyarrow.compute", "polars"],
    "duckdb arrow": ["pyarrow.compute"],
    "duckdb pandas": ["pandas"],
}


def count(batches: Any) -> int:
    return sum(batch.num_rows for batch in batches)


READ: dict[str, Callable[[Any], int]] = {
    "tuples": lambda cursor: len(cursor.fetchall()),
    "iteration": lambda cursor: sum(1 for _ in cursor),
    "as_pandas": lambda cursor: len(import_module("impala.util").as_pandas(cursor)),
    "arrow": lambda cursor: cursor.fetch_arrow_table().num_rows,
    "batches": lambda cursor: count(cursor.fetch_record_batch()),
    "pandas": lambda cursor: len(cursor.fetch_df()),
    "polars": lambda cursor: len(cursor.fetch_polars()),
    "duckdb arrow": lambda cursor: cursor.to_arrow_table().num_rows,
    "duckdb pandas": lambda cursor: len(cursor.df()),
}
#: As many rows as are asked for, of the types that the server sends.
TABLE = """
CREATE TABLE canned AS
WITH whole AS (SELECT (hash(i) >> 4)::BIGINT AS n FROM range({rows}) one(i))
SELECT if(random() < 0.05, NULL, n) AS number,
    if(random() < 0.05, NULL, n / 7) AS ratio,
    if(random() < 0.05, NULL, 'customer number ' || n % 1000000) AS name,
    if(random() < 0.05, NULL, make_timestamp_ns(n)) AS moment,
    if(random() < 0.05, NULL, (n % 1000000000000 / 10000)::DECIMAL(18, 4)) AS price,
    if(random() < 0.05, NULL, n % 2 = 1) AS flag
FROM whole
"""


def cursor_of(client: str, host: str, port: int, rows: int) -> Any:
    """A cursor of the client; DuckDB's has the same columns in a table in memory."""
    if client == "DuckDB":
        connection = import_module("duckdb").connect()
        connection.execute(TABLE.format(rows=rows))
        return connection
    module, arguments = CONNECT[client]
    return import_module(module).connect(host, port, **arguments).cursor()


def main() -> None:
    client, way, host, port, rows = sys.argv[1:]
    cursor = cursor_of(client, host, int(port), int(rows))
    for package in PACKAGES.get(way, ()):
        import_module(package)
    cursor.execute(SQL)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    found = READ[way](cursor)
    took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    took["memory"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert found == int(rows), f"{found} rows"
    print(json.dumps(took))


if __name__ == "__main__":
    main()
