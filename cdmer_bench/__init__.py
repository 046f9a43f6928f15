"""The benchmark of cross-database micro-expression recognition."""
