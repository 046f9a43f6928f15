"""What the checks of a contribution find."""

from collections.abc import Iterable

from cdmer_bench.errors import Check


def failures(checks: Iterable[Check]) -> dict[str, str]:
    """Run checks; return the reason of each that failed, by its name."""
    return {check.name: wrong for check in checks if (wrong := check.run()) is not None}
