"""
Every statement of Impala's grammar: its effect, and its kind.

The productions of ``stmt`` in common/cup/sql-parser.cup of Impala 5.0.0-SNAPSHOT (commit b21595276,
2026-06-18), in their order, each with real examples.
"""

import pytest

from impala_ha.sql.statement import Effect, Kind, Statement

READ, IDEMPOTENT, WRITE = Effect.READ, Effect.IDEMPOTENT, Effect.WRITE

GRAMMAR = {
    "query_stmt": (
        READ,
        Kind.QUERY,
        [
            "select 1",
            "with x as (select 1) select * from x",
            "values (1)",
            "(select 1) union select 2",
        ],
    ),
    "insert_stmt": (
        WRITE,
        Kind.DML,
        [
            "insert into t values (1)",
            "insert into table t select 1",
            "insert /* +SHUFFLE */ into t select * from u",
            "insert into t [shuffle] select * from u",
            "with x as (select 1) insert into t select * from x",
            "with x as (select 1) insert overwrite t select * from x",
            "insert overwrite t select * from u",
            "insert into t (a, b) partition (p) select a, b, p from u",
        ],
    ),
    "insert_stmt of rows in the text": (
        IDEMPOTENT,
        Kind.DML,
        ["insert overwrite t values (1)", "insert overwrite t partition (p=1) select 1, 'x'"],
    ),
    "update_stmt": (
        WRITE,
        Kind.DML,
        ["update t set a = 1", "update a set a.x = 1 from t a join u"],
    ),
    "upsert_stmt": (
        WRITE,
        Kind.DML,
        ["upsert into t select * from u", "with x as (select 1) upsert into t select * from x"],
    ),
    "upsert_stmt of rows in the text": (IDEMPOTENT, Kind.DML, ["upsert into t (a) values (1)"]),
    "delete_stmt": (WRITE, Kind.DML, ["delete from t where a = 1", "delete a from t a join u b"]),
    "merge_stmt": (
        WRITE,
        Kind.DML,
        [
            "merge into t using u on t.a = u.a when matched then delete",
            "merge into t using (select 1 a) u on t.a = u.a when not matched then insert *",
            "merge into t using u on t.a = u.a when not matched by source then update set a = 1",
        ],
    ),
    "optimize_stmt": (
        WRITE,
        Kind.DML,
        ["optimize table t", "optimize table t (file_size_threshold_mb=10)"],
    ),
    "use_stmt": (READ, Kind.QUERY, ["use d", "use `d`"]),
    "show_tables_stmt": (READ, Kind.QUERY, ["show tables", "show tables in d like 'x*'"]),
    "show_metadata_tables_stmt": (READ, Kind.QUERY, ["show metadata tables in t"]),
    "show_views_stmt": (READ, Kind.QUERY, ["show views in d"]),
    "show_dbs_stmt": (READ, Kind.QUERY, ["show databases", "show schemas like 'x'"]),
    "show_partitions_stmt": (READ, Kind.QUERY, ["show partitions t"]),
    "show_range_partitions_stmt": (READ, Kind.QUERY, ["show range partitions t"]),
    "show_hash_schema_stmt": (READ, Kind.QUERY, ["show hash_schema t"]),
    "show_stats_stmt": (READ, Kind.QUERY, ["show table stats t", "show column stats t"]),
    "show_functions_stmt": (READ, Kind.QUERY, ["show functions", "show aggregate functions in d"]),
    "show_data_srcs_stmt": (READ, Kind.QUERY, ["show data sources"]),
    "show_create_tbl_stmt": (READ, Kind.QUERY, ["show create table t", "show create view v"]),
    "show_create_function_stmt": (READ, Kind.QUERY, ["show create function f"]),
    "show_files_stmt": (READ, Kind.QUERY, ["show files in t"]),
    "describe_stmt": (
        READ,
        Kind.QUERY,
        [
            "describe t",
            "describe formatted t",
            "describe database d",
            "describe history t from now()",
        ],
    ),
    "alter_db_stmt": (WRITE, Kind.DDL, ["alter database d set owner user u"]),
    "alter_tbl_stmt": (
        WRITE,
        Kind.DDL,
        [
            "alter table t add columns (a int)",
            "alter table t add if not exists partition (p=1)",
            "alter table t drop if exists partition (p=1)",
            "alter table t rename to u",
            "alter table t recover partitions",
            "alter table t set tblproperties ('a'='b')",
            "alter table t execute expire_snapshots(now() - interval 5 days)",
            "alter table t execute rollback(1)",
            "alter table t execute remove_orphan_files(now())",
            "alter table t set partition spec (bucket(5, a))",
            "alter table t sort by zorder (a, b)",
        ],
    ),
    "alter_view_stmt": (WRITE, Kind.DDL, ["alter view v as select 1", "alter view v rename to w"]),
    "compute_stats_stmt": (
        IDEMPOTENT,
        Kind.COMPUTE_STATS,
        [
            "compute stats t",
            "compute stats t (a) tablesample system(10)",
            "compute incremental stats t",
        ],
    ),
    "copy_testcase_stmt": (
        WRITE,
        Kind.DDL,
        ["copy testcase to '/x' select 1", "copy testcase from '/x'"],
    ),
    "drop_stats_stmt": (
        WRITE,
        Kind.DDL,
        ["drop stats t", "drop incremental stats t partition (p=1)"],
    ),
    "create_tbl_as_select_stmt": (
        WRITE,
        Kind.CTAS,
        [
            "create table t as select 1",
            "create table if not exists t as select 1",
            "create external table t stored as parquet as select * from u",
            "create /* +NOSHUFFLE */ table t partitioned by (p) as select 1, 2 p",
            "create [noshuffle] table t as select 1",
            "create [noshuffle, clustered] table if not exists t as select 1",
            "create [noshuffle] external table if not exists t as select 1",
            "create table t primary key (a) partition by hash (a) partitions 3 as (select 1 a)",
            "create table t as values (1)",
        ],
    ),
    "create_tbl_like_stmt": (WRITE, Kind.DDL, ["create table t like u"]),
    "create_tbl_like_stmt with if not exists": (
        IDEMPOTENT,
        Kind.DDL,
        ["create table if not exists t like u"],
    ),
    "create_tbl_stmt": (
        WRITE,
        Kind.DDL,
        ["create table t (a int)", "create external table t like parquet '/x' stored as parquet"],
    ),
    "create_tbl_stmt with if not exists": (
        IDEMPOTENT,
        Kind.DDL,
        [
            "create table if not exists t (a int)",
            "create external table if not exists t (a int)",
            "create table if not exists k (a int) partition by range (a) (partition values < 3)",
        ],
    ),
    "create_view_stmt": (WRITE, Kind.DDL, ["create view v as select 1"]),
    "create_view_stmt with if not exists": (
        IDEMPOTENT,
        Kind.DDL,
        ["create view if not exists v as select 1"],
    ),
    "create_data_src_stmt": (
        WRITE,
        Kind.DDL,
        ["create data source s location '/x' class 'c' api_version 'V1'"],
    ),
    "create_db_stmt": (WRITE, Kind.DDL, ["create database d", "create schema d"]),
    "create_db_stmt with if not exists": (
        IDEMPOTENT,
        Kind.DDL,
        ["create database if not exists d"],
    ),
    "create_udf_stmt": (
        WRITE,
        Kind.DDL,
        ["create function f(int) returns int location '/x' symbol='s'"],
    ),
    "create_udf_stmt with if not exists": (
        IDEMPOTENT,
        Kind.DDL,
        ["create function if not exists f location '/x' symbol='s'"],
    ),
    "create_uda_stmt": (
        WRITE,
        Kind.DDL,
        ["create aggregate function f(int) returns int location '/x' update_fn='u'"],
    ),
    "drop_db_stmt": (WRITE, Kind.DDL, ["drop database d", "drop database d cascade"]),
    "drop_db_stmt with if exists": (IDEMPOTENT, Kind.DDL, ["drop database if exists d cascade"]),
    "drop_tbl_or_view_stmt": (
        WRITE,
        Kind.DDL,
        ["drop table t", "drop view v", "drop table t purge"],
    ),
    "drop_tbl_or_view_stmt with if exists": (
        IDEMPOTENT,
        Kind.DDL,
        ["drop table if exists t purge", "drop view if exists v"],
    ),
    "drop_function_stmt": (WRITE, Kind.DDL, ["drop function f(int)"]),
    "drop_function_stmt with if exists": (
        IDEMPOTENT,
        Kind.DDL,
        ["drop function if exists f", "drop aggregate function if exists f(int)"],
    ),
    "drop_data_src_stmt": (WRITE, Kind.DDL, ["drop data source s"]),
    "explain_stmt": (
        READ,
        Kind.QUERY,
        [
            "explain select 1",
            "explain insert into t select 1",
            "explain create table t as select 1",
        ],
    ),
    "load_stmt": (
        WRITE,
        Kind.LOAD,
        ["load data inpath '/x' into table t", "load data inpath '/x' overwrite into table t"],
    ),
    "truncate_stmt": (WRITE, Kind.DDL, ["truncate table t", "truncate if exists t"]),
    "reset_metadata_stmt": (
        IDEMPOTENT,
        Kind.DDL,
        [
            "invalidate metadata",
            "invalidate metadata t",
            "refresh t",
            "refresh t partition (p=1)",
            "refresh functions d",
            "refresh authorization",
        ],
    ),
    "set_stmt": (READ, Kind.QUERY, ["set mem_limit=1g", "set all", "set", "set x=-1"]),
    "unset_stmt": (READ, Kind.QUERY, ["unset all"]),
    "show_roles_stmt": (READ, Kind.QUERY, ["show roles", "show current roles"]),
    "show_roles_principal_stmt": (READ, Kind.QUERY, ["show role grant group g"]),
    "show_current_groups_stmt": (READ, Kind.QUERY, ["show current groups"]),
    "show_grant_principal_stmt": (
        READ,
        Kind.QUERY,
        ["show grant role r", "show grant user u on table t"],
    ),
    "create_drop_role_stmt": (WRITE, Kind.DDL, ["create role r", "drop role r"]),
    "grant_role_stmt": (WRITE, Kind.DDL, ["grant role r to group g"]),
    "revoke_role_stmt": (WRITE, Kind.DDL, ["revoke role r from group g"]),
    "grant_privilege_stmt": (
        WRITE,
        Kind.DDL,
        ["grant select on table t to role r with grant option"],
    ),
    "revoke_privilege_stmt": (WRITE, Kind.DDL, ["revoke select on database d from user u"]),
    "comment_on_stmt": (
        WRITE,
        Kind.DDL,
        ["comment on table t is 'x'", "comment on column t.a is null"],
    ),
    "admin_fn_stmt": (
        WRITE,
        Kind.OTHER,
        [":shutdown()", ":shutdown('host:22000', 100)", ": shutdown ( )"],
    ),
    "stmt SEMICOLON": (READ, Kind.QUERY, ["select 1;", "select 1 ; ;"]),
    "convert_tbl_stmt": (
        WRITE,
        Kind.CONVERT,
        [
            "alter table t convert to iceberg",
            "ALTER TABLE `d`.`t` CONVERT /* x */ TO\nICEBERG TBLPROPERTIES ('a'='b')",
        ],
    ),
    "kill_query_stmt": (WRITE, Kind.DDL, ["kill query '1:2'"]),
}
CASES = [
    (name, sql, effect, kind) for name, (effect, kind, texts) in GRAMMAR.items() for sql in texts
]


@pytest.mark.parametrize(
    ("sql", "effect", "kind"), [case[1:] for case in CASES], ids=[f"{n}-{s}" for n, s, *_ in CASES]
)
@pytest.mark.parametrize("changed", [str, str.upper], ids=["as it is", "in capitals"])
def test_each_statement_of_the_grammar_has_its_effect_and_kind(sql, effect, kind, changed):
    statement = Statement.parse(changed(sql))

    assert (effect, kind) == (statement.effect, statement.kind)


def test_no_production_is_left_out():
    """60 productions of ``stmt``, counted in the grammar."""
    assert 60 == len({name.partition(" with ")[0].partition(" of ")[0] for name in GRAMMAR})


@pytest.mark.parametrize(
    "sql",
    [
        "from t insert overwrite table u select *",
        "cache table t",
        "msck repair table t",
        "",
        "x",
        "1",
    ],
)
def test_what_is_none_of_impalas_is_a_write_of_no_known_kind(sql):
    assert (WRITE, Kind.OTHER) == (Statement.parse(sql).effect, Statement.parse(sql).kind)


@pytest.mark.parametrize("sql", ["create data source if not exists s location '/x' class 'c'"])
def test_two_words_may_stand_before_if(sql):
    assert IDEMPOTENT is Statement.parse(sql).effect
