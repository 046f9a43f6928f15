"""Numerical pieces that methods share; no word of the benchmark in here."""
