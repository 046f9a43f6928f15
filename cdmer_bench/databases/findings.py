"""Findings of frames on disk: what was found, what was expected, and what to do."""

from cdmer_bench.databases.base import Finding


def finding(
    severity: str, code: str, where: str, found: str, expected: str, action: str
) -> Finding:
    """Make a finding that says all three."""
    return Finding(severity, found, where, code, expected, action)
