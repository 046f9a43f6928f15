"""A task: adapt from a source database to a target database."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One experiment of Table II, or any ordered pair of databases.

    Attributes
    ----------
    name : str
        ``exp05``, or ``casme2__smic_hs`` for a pair.
    label : str
        ``Exp.5``, or ``C → H`` for a pair.
    source, target : str
        Keys of the databases.
    """

    name: str
    label: str
    source: str
    target: str
