"""Bridges to scikit-learn and skada, both ways; see docs/bridges.md."""
