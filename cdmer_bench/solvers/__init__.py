"""Numerical solvers that methods share; they know nothing of the benchmark."""
