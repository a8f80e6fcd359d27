"""What EXPLAIN shows of a write that replaces rows: does it do no harm if it runs again?"""

import pytest

from impala_ha.sql.plan import may_run_again, named_tables
from impala_ha.sql.statement import Statement

# As Impala prints plans at EXPLAIN_LEVEL=0 (testdata/workloads/functional-planner, 2026-06-18).
PLAN = """\
WARNING: The following tables are missing relevant table and/or column statistics.
default.u

{sink}
|
02:HASH JOIN [INNER JOIN]
|
|--01:{scan}
|
00:SCAN HDFS [default.u a]
"""
WHOLE = "WRITE TO HDFS [default.t, OVERWRITE=true]"
STATIC = "WRITE TO HDFS [default.t, OVERWRITE=true, PARTITION-KEYS=(2009,'x',DATE '2026-01-02')]"
DYNAMIC = "WRITE TO HDFS [default.t, OVERWRITE=true, PARTITION-KEYS=(2009,default.s.p)]"
LITERAL = "WRITE TO HDFS [default.t, OVERWRITE=true, PARTITION-KEYS=(DATE '2026-01-02')]"
KUDU = "UPSERT INTO KUDU [default.t]"

OVERWRITE = "insert overwrite t select a.i from u a join s on a.i = s.i"
IN_PARTITION = "insert overwrite t partition (p=2009, q='x', r='y') select a.i from u a join s"
IN_PARTITIONS = "insert overwrite t partition (p=2009, q) select a.i, s.p from u a, s"
UPSERT = "upsert into t select a.i from u a join default.s on a.i = s.i"


def asked(plan, sql, database="default"):
    return may_run_again(plan, sql, Statement.parse(sql), database)


@pytest.mark.parametrize(
    ("sink", "scan", "sql"),
    [
        (WHOLE, "SCAN HDFS [default.s]", OVERWRITE),
        (WHOLE, "SCAN HDFS [default.tt, RANDOM]", OVERWRITE),
        (STATIC, "SCAN KUDU [default.s b]", IN_PARTITION),
        # All is replaced: it does not matter what is drawn by lot, or through which view.
        (WHOLE, "SCAN HDFS [default.s]", "insert overwrite t select uuid(), i from v limit 3"),
        # Not all is replaced, and each table that is named is read as itself.
        (DYNAMIC, "SCAN HDFS [default.s]", IN_PARTITIONS),
        (KUDU, "SCAN KUDU [default.s b]", UPSERT),
        (
            KUDU,
            "SCAN HDFS [default.s]",
            "upsert into t select i from u where i in (select i from s)",
        ),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select * from (select i from `u`) x, `s`"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from`default` . u join`s`on true"),
        (WHOLE, "UNION", "insert overwrite t select uuid() from v"),
        # The constants are the text's own.
        (
            WHOLE,
            "UNION\n|     constant-operands=1",
            "insert overwrite t select 1 union select i from u",
        ),
    ],
)
def test_what_a_plan_proves(sink, scan, sql):
    assert asked(PLAN.format(sink=sink, scan=scan), sql)


@pytest.mark.parametrize(
    ("sink", "scan", "sql"),
    [
        (WHOLE, "SCAN HDFS [default.t]", OVERWRITE),
        (WHOLE, "SCAN HDFS [DEFAULT.T x, RANDOM]", OVERWRITE),
        (WHOLE, "SCAN HDFS [default.`t`]", OVERWRITE),
        (WHOLE, "SCAN SOMETHING NEW", OVERWRITE),
        (WHOLE, "ICEBERG METADATA SCAN default.t.snapshots", OVERWRITE),
        (KUDU, "SCAN KUDU [default.t]", UPSERT),
        ("SOMETHING NEW", "SCAN HDFS [default.s]", OVERWRITE),
        (f"{WHOLE}\n{WHOLE}", "SCAN HDFS [default.s]", OVERWRITE),
        ("MERGE SINK\n|->" + WHOLE, "SCAN HDFS [default.s]", OVERWRITE),
        # A view lies between: what it computes is not shown (now() is a literal by then).
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from u join v"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from v"),
        (KUDU, "SCAN HDFS [other.s]", UPSERT),
        (DYNAMIC, "SCAN HDFS [default.s]", "insert overwrite t partition (p) select i, p from v"),
        (
            DYNAMIC,
            "SCAN HDFS [default.s]",
            "insert overwrite t partition (p) select uuid(), p from s",
        ),
        # The text names no partition, and there are some (as Iceberg has them).
        (DYNAMIC, "SCAN HDFS [default.s]", "insert overwrite t select uuid(), p from s"),
        # What the text does not say plainly.
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from u, `a b`"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t with x as (select 1) select i from x"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select extract(year from ts) from u"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from (v join u)"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from u a, a.items"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from u join [shuffle] s"),
        ("WRITE TO HDFS [default.`a b`, OVERWRITE=true]", "SCAN HDFS [default.s]", OVERWRITE),
        # A partition that the text does not name is a literal where it comes from now().
        (
            LITERAL,
            "SCAN HDFS [default.s]",
            "insert overwrite t (i, d) select i, cast(now() as date) from s",
        ),
        (
            "WRITE TO HDFS [default.t, OVERWRITE=true, PARTITION-KEYS=(1,DATE '2026-01-02')]",
            "SCAN HDFS [default.s]",
            "insert overwrite t (i, d) partition (p=1) select i, d from v",
        ),
        (LITERAL, "SCAN HDFS [default.s]", "insert overwrite iceberg select i, d from v"),
        # No blank stands between these words, as none need.
        (
            KUDU,
            "SCAN HDFS [default.s]",
            "upsert into t select `i`from`v`where i in (select 1 from s)",
        ),
        (
            KUDU,
            "SCAN HDFS [default.s]",
            "upsert into t select 'x'from v where i in (select 1 from s)",
        ),
        (
            KUDU,
            "SCAN HDFS [default.s]",
            "upsert into t select 1.from v where i in (select 1 from s)",
        ),
        (
            KUDU,
            "SCAN HDFS [default.s]",
            "upsert into t select 1.5from v where 1 in (select 1 from s)",
        ),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from u . v join s"),
        (KUDU, "SCAN HDFS [default.s]", "upsert into t select i from s$v join u"),
        # A view may read what metadata tell: it is a constant then, and its table not there.
        (WHOLE, "UNION\n|     constant-operands=1", "insert overwrite t select n from counts, u"),
        # An expression that is shown at any level may look like a node.
        (
            KUDU,
            "UNION\n|     predicates: s = 'a\n01:SCAN HDFS [default.s]'",
            "upsert into t select i from u join s",
        ),
        (WHOLE, "EMPTYSET", "insert overwrite t select n from counts, u"),
        (WHOLE, "UNION\n|     constant-operands=1", "insert overwrite t select count(*) from t"),
        (KUDU.replace("UPSERT", "INSERT"), "SCAN HDFS [default.s]", UPSERT),
        (
            WHOLE.replace("true", "false"),
            "SCAN HDFS [default.s]",
            "insert overwrite t select uuid() from u",
        ),
    ],
)
def test_what_it_does_not(sink, scan, sql):
    assert not asked(PLAN.format(sink=sink, scan=scan), sql)


@pytest.mark.parametrize("plan", ["", "nothing that anybody knows", KUDU])
def test_a_plan_without_sense_proves_nothing(plan):
    assert not asked(plan, UPSERT)


def test_names_are_looked_for_in_the_database_of_the_session():
    plan = PLAN.format(sink=KUDU, scan="SCAN HDFS [sales.s]").replace("default.u", "sales.u")
    sql = "upsert into t select u.i from U join S"

    assert asked(plan, sql, "Sales")
    assert not asked(plan, sql, "default")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select 1 from a", {"d.a"}),
        (
            "select 1 from a x, b as y join c on x.i = y.i, d2.e where f(a, b) > 1",
            {"d.a", "d.b", "d.c", "d2.e"},
        ),
        ("select 1 from (select 1 from a) x left outer join `B` on true", {"d.a", "d.b"}),
        (
            "select (select max(i) from a), 'from b' /* from c */ from e group by x, y",
            {"d.a", "d.e"},
        ),
        ("select 1 from a union all select 2 from b order by 1, 2", {"d.a", "d.b"}),
        ("select 1 from (a x, b) join c", {"d.a", "d.b", "d.c"}),
        ("select 1", None),
        ("select 1 from ", None),
        ("select 1 from 'x'", None),
        ("select 1 from `select`", None),
    ],
)
def test_the_tables_behind_from_and_join_are_found(sql, names):
    assert (None if names is None else frozenset(names)) == named_tables(sql, "D")


@pytest.mark.timeout(100)  # on a machine that is busy, with coverage; else it would be hours
@pytest.mark.parametrize(
    "sql", ["select 1 from a" + ", b" * 300_000, "from (" * 300_000, "from a join " * 200_000]
)
def test_no_text_takes_more_than_linear_time(sql):
    named_tables(sql, "d")
