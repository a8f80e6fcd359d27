"""
SQL over the shared warehouse: what the calls see of the engine.

A statement is read word by word (`sql.reader`), planned by the room that its first word belongs
to (`sql.statements`), and comes back as a job.  Planning looks things up in the catalog and
changes nothing.  DuckDB and sqlglot are imported by `warm` and `make_engine`, not by this module,
so that a process that runs no SQL stays small; `warm` may be called before a fork.
"""

from __future__ import annotations

from pathlib import Path

from pocket_impala.coordinator.contract import Engine


def warm() -> None:
    """Import what running SQL needs, so that the first statement does not wait for it."""
    import pocket_impala.sql.front  # noqa: F401, PLC0415 - the import is the point


def make_engine(
    warehouse: Path, *, data: Path | None = None, memory_limit: str = "256MB"
) -> Engine:
    """
    An engine over *warehouse*, a folder that several processes may share.

    Args:
        warehouse: The folder; it is made when it does not exist.
        data: A folder whose CSV and Parquet files become tables of database ``default``.
        memory_limit: What DuckDB may use, in DuckDB's words.

    Raises:
        ImpalaError: A file of *data* cannot be read.
    """
    from pocket_impala.sql.duck import Duck  # noqa: PLC0415 - see above
    from pocket_impala.sql.front import PocketEngine  # noqa: PLC0415
    from pocket_impala.sql.sources import load  # noqa: PLC0415
    from pocket_impala.sql.warehouse import Warehouse  # noqa: PLC0415

    engine = PocketEngine(Warehouse(warehouse), Duck(memory_limit))
    if data is not None:
        load(data, engine.warehouse, engine.duck)
    return engine
