"""
Reads the reply to FetchResults by the column: numbers become arrays, not a list of objects.

A column is read in the form in which it came, whatever the schema says of it; strings are read by
Thrift's own C part.  What is unknown is skipped, so that later servers can say more.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator

from impala._thrift_gen.TCLIService import ttypes as hs2
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TType

_PIECE = 2**20  # bytes that are read at a time: room is made for what came, not for what was told

#: Field of TColumn: its name, its class, the type of its items, and their form in an array.
_NUMBERS = {
    1: ("boolVal", hs2.TBoolColumn, TType.BOOL, "B"),
    2: ("byteVal", hs2.TByteColumn, TType.BYTE, "b"),
    3: ("i16Val", hs2.TI16Column, TType.I16, "h"),
    4: ("i32Val", hs2.TI32Column, TType.I32, "i"),
    5: ("i64Val", hs2.TI64Column, TType.I64, "q"),
    6: ("doubleVal", hs2.TDoubleColumn, TType.DOUBLE, "d"),
}
#: Name of a column of numbers, and the form of its values in an array.
NUMBERS = {name: form for name, _, _, form in _NUMBERS.values()}
_STRINGS = {7: ("stringVal", hs2.TStringColumn), 8: ("binaryVal", hs2.TBinaryColumn)}


def read_results(protocol: TBinaryProtocol) -> hs2.TFetchResultsResp | None:
    """
    The result of a FetchResults call.

    Args:
        protocol: Where it is read from, behind the head of the message.

    Returns:
        A TFetchResultsResp whose columns of numbers hold arrays; None where there is none.
    """
    response = None
    for kind, number in _fields(protocol):
        if (kind, number) == (TType.STRUCT, 0):
            response = _response(protocol)
        else:
            protocol.skip(kind)
    return response


def _fields(protocol: TBinaryProtocol) -> Iterator[tuple[int, int]]:
    """Type and number of each field of a struct, whose value the caller reads."""
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            return
        yield kind, number


def _response(protocol: TBinaryProtocol) -> hs2.TFetchResultsResp:
    response = hs2.TFetchResultsResp()
    for kind, number in _fields(protocol):
        if (kind, number) == (TType.STRUCT, 1):
            response.status = hs2.TStatus()
            response.status.read(protocol)
        elif (kind, number) == (TType.BOOL, 2):
            response.hasMoreRows = protocol.readBool()
        elif (kind, number) == (TType.STRUCT, 3):
            response.results = _row_set(protocol)
        else:
            protocol.skip(kind)
    return response


def _row_set(protocol: TBinaryProtocol) -> hs2.TRowSet:
    results = hs2.TRowSet(rows=[])
    for kind, number in _fields(protocol):
        if (kind, number) == (TType.I64, 1):
            results.startRowOffset = protocol.readI64()
        elif (kind, number) == (TType.LIST, 2):
            results.rows = [_row(protocol) for _ in range(_length(protocol, TType.STRUCT))]
        elif (kind, number) == (TType.LIST, 3):
            results.columns = [_column(protocol) for _ in range(_length(protocol, TType.STRUCT))]
        else:
            protocol.skip(kind)
    return results


def _row(protocol: TBinaryProtocol) -> hs2.TRow:
    row = hs2.TRow()
    row.read(protocol)
    return row


def _column(protocol: TBinaryProtocol) -> hs2.TColumn:
    column = hs2.TColumn()
    for kind, number in _fields(protocol):
        if kind == TType.STRUCT and number in _NUMBERS:
            name, make, item, form = _NUMBERS[number]
            setattr(column, name, _numbers(protocol, make(), item, form))
        elif kind == TType.STRUCT and number in _STRINGS:
            name, make = _STRINGS[number]
            strings = make()
            strings.read(protocol)
            setattr(column, name, strings)
        else:
            protocol.skip(kind)
    return column


def _numbers(protocol: TBinaryProtocol, column: hs2.TColumn, item: int, form: str) -> hs2.TColumn:
    column.values, column.nulls = array(form), b""
    for kind, number in _fields(protocol):
        if (kind, number) == (TType.LIST, 1):
            left = _length(protocol, item) * column.values.itemsize
            while left > 0:
                piece = protocol.trans.readAll(min(left, _PIECE))
                column.values.frombytes(piece)
                left -= len(piece)
            if sys.byteorder == "little":
                column.values.byteswap()
        elif (kind, number) == (TType.STRING, 2):
            column.nulls = protocol.readBinary()
        else:
            protocol.skip(kind)
    return column


def _length(protocol: TBinaryProtocol, item: int) -> int:
    """Length of a list whose items must be of the type *item*."""
    kind, length = protocol.readListBegin()
    if length and kind != item:
        text = f"a list has items of type {kind}, and {item} was expected"
        raise TProtocolException(TProtocolException.INVALID_DATA, text)
    return int(length)
