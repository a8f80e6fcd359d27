"""What a user finds when he comes in: names, PEP 249's globals, impyla's own classes."""

import importlib

import impala.dbapi
import impala.error
import impala.hiveserver2
import pytest

import impala_ha
from impala_ha import dbapi, errors, events, policies

ROOMS = [impala_ha, dbapi, errors, events, policies]
EXCEPTIONS = [
    "Warning",
    "Error",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "OperationalError",
    "IntegrityError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
]
OURS = [
    "AuthenticationFailed",
    "CoordinatorLost",
    "NoCoordinatorLeft",
    "OutcomeUnknown",
    "ResultLost",
]
TYPES = ["STRING", "BINARY", "NUMBER", "DATETIME", "ROWID", "DATE"]
MAKERS = [
    "Date",
    "Time",
    "Timestamp",
    "DateFromTicks",
    "TimeFromTicks",
    "TimestampFromTicks",
    "Binary",
]


def _isort(name):
    """CONSTANTS, then Classes, then functions: the order that ruff keeps."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_what_a_room_offers_is_sorted_and_is_there(room):
    assert sorted(set(room.__all__), key=_isort) == room.__all__
    for name in room.__all__:
        assert hasattr(room, name), name


@pytest.mark.parametrize("module", [impala_ha, dbapi], ids=["impala_ha", "impala_ha.dbapi"])
def test_the_globals_of_pep_249(module):
    assert ("2.0", 1, "pyformat") == (module.apilevel, module.threadsafety, module.paramstyle)


@pytest.mark.parametrize("name", EXCEPTIONS)
@pytest.mark.parametrize("module", [impala_ha, dbapi, errors], ids=lambda module: module.__name__)
def test_the_exceptions_are_impylas_own(module, name):
    """Code that catches impyla's catches ours."""
    assert getattr(impala.error, name) is getattr(module, name)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("module", [impala_ha, dbapi], ids=["impala_ha", "impala_ha.dbapi"])
def test_constructors_are_impylas_own(module, name):
    assert getattr(impala.dbapi, name) is getattr(module, name)


CODES = ["TINYINT", "INT", "BIGINT", "DOUBLE", "DECIMAL", "STRING", "BINARY", "TIMESTAMP", "DATE"]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("module", [impala_ha, dbapi], ids=["impala_ha", "impala_ha.dbapi"])
def test_type_objects_know_the_codes_that_impylas_know(module, name):
    """``description[i][1] == NUMBER`` is what PEP 249 promises."""
    impylas, ours = getattr(impala.dbapi, name), getattr(module, name)

    assert [code for code in CODES if impylas == code] == [code for code in CODES if ours == code]


@pytest.mark.parametrize("name", OURS)
def test_errors_of_failing_over_are_operational_errors(name):
    assert issubclass(getattr(impala_ha, name), impala.error.OperationalError)


def test_a_wrong_call_is_what_impyla_raises_for_it():
    for kind in (impala_ha.InterfaceError, impala_ha.NotSupportedError, TypeError, ValueError):
        assert issubclass(impala_ha.ConfigurationError, kind)


def test_connection_and_cursor_are_impylas_too():
    assert issubclass(impala_ha.Connection, impala.hiveserver2.HiveServer2Connection)
    assert issubclass(impala_ha.Cursor, impala.hiveserver2.HiveServer2Cursor)
    assert issubclass(impala_ha.DictCursor, impala.hiveserver2.HiveServer2DictCursor)


def test_the_module_has_all_that_tools_look_for_in_impylas():
    """``create_engine(..., module=impala_ha.dbapi)`` looks at names of `impala.dbapi`."""
    needed = [*EXCEPTIONS, *TYPES, *MAKERS, "connect", "apilevel", "threadsafety", "paramstyle"]

    assert {name for name in needed if hasattr(impala.dbapi, name)} <= set(dbapi.__all__)


def test_the_version_is_reported():
    metadata = importlib.import_module("importlib.metadata")

    assert metadata.version("impala-ha") == impala_ha.__version__


def test_everything_public_says_what_it_is():
    for name in impala_ha.__all__:
        thing = getattr(impala_ha, name)
        if isinstance(thing, type) and thing.__module__.startswith("impala_ha"):
            assert thing.__doc__, name
