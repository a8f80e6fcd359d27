"""Impala's SQL on DuckDB: words to statements, statements to work, tables as Parquet files."""
