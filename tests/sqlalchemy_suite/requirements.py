"""What SQLAlchemy's own tests may ask of Impala; what they may not, each with the reason."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

#: Asked for, though SQLAlchemy leaves them out unless a dialect says yes.
YES = """
boolean_col_expressions cast_precision_numerics_many_significant_digits comment_reflection
comment_reflection_full_unicode create_table_as ctes ctes_with_values date_historic
datetime_historic datetime_literals except_
fetch_expression fetch_first fetch_no_order_by foreign_key_ddl infinity_floats intersect
nullsordering precision_numerics_enotation_small precision_numerics_many_significant_digits
precision_numerics_retains_significant_digits regexp_match regexp_replace schema_create_delete
server_defaults supports_bitwise_and supports_bitwise_not supports_bitwise_or
supports_bitwise_shift supports_bitwise_xor table_ddl_if_exists table_value_constructor
update_from delete_from ctes_with_update_delete datetime_interval unusual_column_name_characters
timestamp_microseconds views window_functions mod_operator_as_percent_sign reflect_table_options
"""

NO = {
    "Impala holds nobody to a foreign key, and DDL leaves it out": """
        foreign_keys on_update_cascade non_updating_cascade deferrable_fks
        on_update_or_deferrable_fks self_referential_foreign_keys repeated_column_foreign_keys
        repeated_remote_col_foreign_keys foreign_key_constraint_reflection
        cross_schema_fk_reflection foreign_key_constraint_name_reflection recursive_fk_cascade
        foreign_key_constraint_option_reflection_ondelete foreign_keys_reflect_as_index
        fk_constraint_option_reflection_ondelete_restrict
        fk_constraint_option_reflection_ondelete_noaction
        foreign_key_constraint_option_reflection_onupdate
        fk_constraint_option_reflection_onupdate_restrict""",
    "Impala has no indexes": """
        index_reflection index_ddl_if_exists indexes_with_ascdesc reflect_indexes_with_ascdesc
        reflect_indexes_with_ascdesc_as_expression index_reflects_included_columns
        indexes_check_column_order indexes_with_expressions reflect_indexes_with_expressions
        unique_index_reflect_as_unique_constraints""",
    "Impala has no UNIQUE": "unique_constraint_reflection unique_constraints_reflect_as_index",
    "Impala has no CHECK": "check_constraint_reflection inline_check_constraint_reflection",
    "Impala's constraints have no names": """
        named_constraints implicitly_named_constraints reflects_pk_names
        constraint_comment_reflection""",
    "Kudu ignores a row whose key is there, with a warning": "duplicate_key_raises_integrity_error",
    "Impala makes no keys by itself": """
        autoincrement_insert autoincrement_without_sequence implements_get_lastrowid
        dbapi_lastrowid emulated_lastrowid emulated_lastrowid_even_with_sequences identity_columns
        identity_columns_standard""",
    "INSERT without values makes a row of NULLs, and a key is none": "empty_inserts empty_inserts_executemany",
    "Impala has no temporary tables": """
        temporary_tables temporary_views temp_table_reflection temp_table_reflect_indexes
        temp_table_names has_temp_table temp_table_comment_reflection create_temp_table_as""",
    "Impala has no CREATE OR REPLACE VIEW": "create_or_replace_view",
    "Impala makes no materialized views": "materialized_views materialized_views_reflect_pk",
    "Impala computes no columns": """
        computed_columns computed_columns_stored computed_columns_virtual
        computed_columns_default_persisted computed_columns_reflect_persisted""",
    "a table of Impala has a column": "reflect_tables_no_columns",
    "Impala has no transactions": """
        autocommit skip_autocommit_rollback savepoints two_phase_transactions isolation_level""",
    "Kudu keeps the value of a default, and not its expression": "expression_server_defaults",
    "names of tables are ASCII letters, digits and underscores": """
        unicode_ddl percent_schema_names
        symbol_names_w_double_quote""",
    "a session belongs to one cursor, so that USE does not last": """
        default_schema_name_switch implicit_default_schema""",
    "Impala has no collations": "column_collation_reflection order_by_collation",
    "Impala has no NVARCHAR": "nvarchar_types",
    "Impala has no times with a time zone": """
        datetime_timezone time_timezone datetime_timezone_historic""",
    "values of ARRAY are read as JSON, and cannot be sent": "array_type",
    "Impala has no type JSON": """
        json_type json_array_indexes json_deserializer_binary legacy_unconditional_json_extract
        json_index_supplementary_unicode_element""",
    "Impala has no type UUID": "uuid_data_type",
    "RANGE of Impala has no distances": """
        window_range window_range_numeric window_range_non_numeric""",
    "Impala has no lists of columns before IN": "tuple_in tuple_in_w_empty",
    "WITH of Impala has queries alone": "ctes_on_dml",
    "Impala's aggregate functions have no ORDER BY": "aggregate_order_by",
    "Impala has no DISTINCT ON": "supports_distinct_on",
    "LIMIT of Impala knows neither percent nor ties": """
        fetch_percent fetch_ties fetch_offset_with_options""",
    "an alias of Impala stands alone in ORDER BY": "order_by_label_with_expression",
    "FLOAT and DOUBLE are of four and eight bytes": "float_or_double_precision_behaves_generically",
    "the dialect is not asynchronous": "async_dialect",
}


class Requirements(SuiteRequirements):
    """Those of the suite, with our answers."""


def _answer(predicate):
    return property(lambda _: predicate())


for _name in YES.split():
    setattr(Requirements, _name, _answer(exclusions.open))
for _reason, _names in NO.items():
    for _name in _names.split():
        _no = exclusions.BooleanPredicate(True, _reason)
        setattr(Requirements, _name, _answer(lambda no=_no: exclusions.skip_if(no)))
