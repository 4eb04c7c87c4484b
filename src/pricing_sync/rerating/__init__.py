"""Files of usage, each row priced as of its own time. The extra `bulk` brings DuckDB."""
