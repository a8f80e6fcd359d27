"""Results are read by the column on each wire: bare, in frames of SASL, over HTTP."""

from array import array
from collections import deque

import pytest
from impala._thrift_gen.TCLIService import ttypes as hs2
from loopback import Answers, Peer, hiveserver2, hiveserver2_over_http
from thrift.Thrift import TApplicationException

import impala_ha

pytestmark = pytest.mark.timeout(30)

OK = hs2.TStatus(statusCode=hs2.TStatusCode.SUCCESS_STATUS)
WIRES = {
    "NOSASL": (hiveserver2, {"auth_mechanism": "NOSASL"}),
    "PLAIN": (
        lambda answers: hiveserver2(answers, users={"etl": "s3cret"}),
        {"auth_mechanism": "PLAIN", "user": "etl", "password": "s3cret"},
    ),
    "HTTP": (hiveserver2_over_http, {"auth_mechanism": "NOSASL", "use_http_transport": True}),
}


def rows(first, values, more=True):
    """An answer to FetchResults: a column of numbers, and one of as many texts."""
    texts = hs2.TStringColumn(values=[b"%d" % value for value in values], nulls=b"")
    columns = [
        hs2.TColumn(i64Val=hs2.TI64Column(values=list(values), nulls=b"")),
        hs2.TColumn(stringVal=texts),
    ]
    got = hs2.TRowSet(startRowOffset=first, rows=[], columns=columns)
    return lambda _: hs2.TFetchResultsResp(status=OK, hasMoreRows=more, results=got)


@pytest.mark.parametrize(("serve", "options"), WIRES.values(), ids=WIRES)
def test_numbers_are_arrays_and_rows_are_what_came(serve, options):
    """From the second answer on, which is many times as long as what is received at a time."""
    answers, many = Answers(), range(1, 100_000)
    described = answers.server._GetResultSetMetadata(None)
    described.schema.columns *= 2
    answers.server.script["GetResultSetMetadata"] = deque([lambda _: described])
    answers.server.script["FetchResults"] = deque([rows(0, [0]), rows(1, many, more=False)])
    with (
        Peer(serve(answers)) as peer,
        impala_ha.connect([str(peer.coordinator)], **options) as connection,
    ):
        cursor = connection.cursor()
        cursor.execute("select 1")
        assert (0, "0") == cursor.fetchone()
        batch = cursor.fetchcbatch()

        assert array("q", many) == batch.row_set.columns[0].i64Val.values
        assert [(value, str(value)) for value in many] == batch.pop_many(len(many))


@pytest.mark.parametrize(
    ("unable", "why"),
    [
        (
            TApplicationException(TApplicationException.INTERNAL_ERROR, "out of memory"),
            "out of mem",
        ),
        (None, "unknown result"),
    ],
    ids=["exception", "nothing"],
)
def test_a_reply_without_rows_ends_the_connection(unable, why):
    """The second time, too: once it is asked again on a new connection."""
    answers = Answers()
    described = answers.server._GetResultSetMetadata(None)
    described.schema.columns *= 2
    answers.server.script["GetResultSetMetadata"] = deque([lambda _: described])
    steps = [rows(0, range(2000)), *[unable or (lambda _: None)] * 2]
    answers.server.script["FetchResults"] = deque(steps)
    with (
        Peer(hiveserver2(answers)) as peer,
        impala_ha.connect([str(peer.coordinator)], deadline=1) as connection,
    ):
        cursor = connection.cursor()
        cursor.execute("select 1")
        cursor.fetchmany(2000)

        with pytest.raises(impala_ha.ResultLost, match=why):
            cursor.fetchmany(2000)
