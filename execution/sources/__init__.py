"""Where records come from: files, SQL queries, iterables."""
