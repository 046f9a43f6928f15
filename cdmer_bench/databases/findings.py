"""What is noticed about a database on disk, for people and for machines."""

from dataclasses import asdict, dataclass

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed.

    Attributes
    ----------
    severity : {'error', 'warning', 'info'}
        An error keeps the paper's protocol from running as it is; a warning is worth a look;
        an info is a choice that was made.
    code : str
        Stable name of the kind of finding, such as ``clip-without-frames``.
    where : str
        Database, file or clip.
    found, expected, action : str
        What is there, what should be, and what to do.
    """

    severity: str
    code: str
    where: str
    found: str
    expected: str
    action: str

    def as_dict(self) -> dict[str, str]:
        """Return the finding as a mapping that JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.severity}: {self.code}: {self.where}: found {self.found}; "
            f"expected {self.expected}; {self.action}"
        )
