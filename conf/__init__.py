"""The Hydra configuration groups, importable as ``cdmer_bench.conf``."""
