"""Words that Impala takes as names only in backticks."""

from __future__ import annotations

#: Keywords of Impala 5.0 and the words that 3.0 and later reserve (sql-scanner.flex); more than
#: needed does no harm, for a name in backticks is the same name.
RESERVED_WORDS = frozenset(
    """
    abs acos add aggregate all allocate alter analytic and anti any api_version are array
    array_agg array_max_cardinality as asc asensitive asin asymmetric at atan atomic authorization
    avg avro begin_frame begin_partition between bigint binary blob block_size boolean both
    buckets by cached called cardinality cascade cascaded case cast ceil ceiling change char
    char_length character character_length class clob close_fn clustered coalesce collate collect
    column columns comment commit compression compute condition connect constraint contains
    convert copy corr corresponding cos cosh count covar_pop covar_samp create cross cube
    cume_dist current current_catalog current_date current_default_transform_group current_path
    current_role current_row current_schema current_time current_timestamp
    current_transform_group_for_type current_user cursor cycle data database databases date
    datetime deallocate dec decfloat decimal declare default define delete delimited dense_rank
    deref desc describe deterministic disable disconnect distinct div double drop dynamic each
    element else empty enable encoding end end_frame end_partition enforced equals escape escaped
    every except exec execute exists exp explain extended external extract false fetch fields
    file_size_threshold_mb fileformat files filter finalize_fn first first_value float floor
    following for foreign format formatted frame_row free from full function functions fusion get
    global grant group grouping groups hash having hold hudiparquet iceberg if ignore ilike in
    incremental indicator init_fn initial inner inout inpath insensitive insert int integer
    intermediate intersect intersection interval into invalidate iregexp is jdbc join json_array
    json_arrayagg json_exists json_object json_objectagg json_query json_table
    json_table_primitive json_value jsonfile kill kudu lag large last last_value lateral lead
    leading left lexical like like_regex limit lines listagg ln load local localtimestamp location
    log log10 lower managedlocation map match match_number match_recognize matched matches max
    merge merge_fn metadata method min minus mod modifies multiset national natural nchar nclob no
    non none norely normalize not novalidate nth_value ntile null nulls numeric occurrences_regex
    octet_length of offset omit on one only optimize or orc order out outer over overlaps overlay
    overwrite paimon parquet parquetfile partition partitioned partitions pattern per percent
    percent_rank percentile_cont percentile_disc pivot portion position position_regex power
    precedes preceding precision prepare prepare_fn primary procedure produced ptf purge query
    range rank rcfile reads real recover recursive ref references referencing refresh regexp
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    release rely rename repeatable replace replication restrict returns revoke right rlike role
    roles rollup row row_number rows running rwstorage savepoint schema schemas scope scroll
    search seek select selectivity semi sensitive sequencefile serdeproperties serialize_fn
    session_user set sets show similar sin sinh skip smallint some sort spec specific specifictype
    sqlexception sqlstate sqlwarning sqrt static stats stddev_pop stddev_samp storagehandler_uri
    stored straight_join string struct submultiset subset substring substring_regex succeeds sum
    symbol symmetric system_time system_user system_version table tables tablesample tan tanh
    tblproperties terminated textfile then timestamp timezone_hour timezone_minute tinyint to
    trailing translate translate_regex translation treat trigger trim trim_array true truncate
    uescape unbounded uncached union unique unknown unnest unpivot unset update update_fn upper
    upsert use user_defined_fn using uuid validate value_of values var_pop var_samp varbinary
    varchar variant varying versioning view views when whenever where width_bucket window with
    within without zorder
    """.split()
)
