"""The admin API, in this process: paths, rights, rows, and what it refuses."""
