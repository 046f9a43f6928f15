"""What the checks of a contribution find."""

from collections.abc import Iterable

from cdmer_bench.checks import Check


def failures(checks: Iterable[Check]) -> dict[str, str]:
    """Run checks; return the reason of each that failed, by its name."""
    return {outcome.name: outcome.reason for c in checks if not (outcome := c.run()).passed}
