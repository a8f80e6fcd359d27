"""
SQLAlchemy's own tests of a dialect, on a local cluster; `test_sqlalchemy_suite.py` runs them.

A test that asks for what Impala does not have, and no requirement can say so, is listed here.
"""

import pytest
from sqlalchemy.testing import suite
from sqlalchemy.testing.suite import *  # noqa: F403 - as SQLAlchemy asks for

_NAMES = "names of tables are ASCII letters, digits and underscores"
_KEYS = "Impala makes no keys by itself"
_DEFAULT = "Kudu keeps the value of a default, and not its expression"
_SUM = "the sum of INTs is a BIGINT, which does not go into an INT by itself"
_LENGTH = "a length of time is stored as a TIMESTAMP, with which nothing is calculated"
_YEARS = "TIMESTAMP begins in the year 1400"
SKIPPED = {
    "QuotedNameArgumentTest": _NAMES,
    "NameDenormalizeTest.test_cols_driver_cols": "names come in lower case",
    "InsertBehaviorTest.test_no_results_for_non_returning_insert": _KEYS,
    "InsertBehaviorTest.test_insert_from_select": _SUM,
    "InsertBehaviorTest.test_insert_from_select_autoinc": _KEYS,
    "InsertBehaviorTest.test_insert_from_select_autoinc_no_rows": _KEYS,
    "InsertBehaviorTest.test_insert_from_select_with_defaults": _SUM,
    "ServerSideCursorsTest.test_roundtrip_fetchall": _KEYS,
    "ServerSideCursorsTest.test_roundtrip_fetchmany": _KEYS,
    "CTETest.test_select_recursive_round_trip": "Impala has no WITH RECURSIVE",
    "DateTimeHistoricTest.test_literal_years": _YEARS,
    "DateTimeHistoricTest.test_round_trip_years": _YEARS,
    "DateTimeHistoricTest.test_round_trip_years_single_row": _YEARS,
    "IntervalTest.test_arithmetic_operation_literal_interval": _LENGTH,
    "IntervalTest.test_arithmetic_operation_table_date_and_literal_interval": _LENGTH,
    "IntervalTest.test_arithmetic_operation_table_interval_and_literal_interval": _LENGTH,
    "PrecisionIntervalTest.test_arithmetic_operation_literal_interval": _LENGTH,
    "PrecisionIntervalTest.test_arithmetic_operation_table_date_and_literal_interval": _LENGTH,
    "PrecisionIntervalTest.test_arithmetic_operation_table_interval_and_literal_interval": _LENGTH,
    "CompositeKeyReflectionTest.test_pk_column_order": "the key of Kudu has the columns' order",
}
#: The same for one set of parameters of a test: what the test's name begins with.
SKIPPED_PARAMETERS = {
    "test_reflect_comments[(2)": _NAMES,
    "test_reflect_comments[per % cent": _NAMES,
    "test_reflect_comments[[brackets]": _NAMES,
    "test_long_convention_name[ix": "Impala has no indexes",
    "test_server_defaults[DateTime": _DEFAULT,
}
for _name, _reason in SKIPPED.items():
    _class, _, _test = _name.partition(".")
    if (_found := getattr(suite, _class, None)) and (not _test or hasattr(_found, _test)):
        pytest.mark.skip(_reason)(getattr(_found, _test) if _test else _found)


@pytest.fixture(autouse=True)
def _skipped(request):
    for name, reason in SKIPPED_PARAMETERS.items():
        if request.node.name.startswith(name):
            pytest.skip(reason)


class ServerSideCursorsTest(suite.ServerSideCursorsTest):
    def _is_server_side(self, cursor):
        """Each is: those of `stream_results` ask for a fixed number of rows."""
        return cursor._buffersize is not None
