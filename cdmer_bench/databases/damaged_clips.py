"""Clips whose frames cannot be read: they are left out, with a warning that names each."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdmer_bench.databases.base import Clip, ClipDatabase
from cdmer_bench.errors import UserError


@dataclass(frozen=True)
class DamagedClip:
    """A clip whose frames cannot be read, and why."""

    name: str
    reason: str


def intact_clips(
    database: ClipDatabase, clips: Sequence[Clip], found: Sequence[Any]
) -> tuple[list[Clip], list[Any]]:
    """Keep the clips that could be read, and what was found of each; warn of the others.

    Parameters
    ----------
    database
        For messages.
    clips, found
        Of each clip what was made of its frames, or a DamagedClip.

    Returns
    -------
    clips, found : list
        Of the intact clips, in the same order.

    Raises
    ------
    UserError
        If no clip could be read.
    """
    warn_of_damage(database, found)
    pairs = [p for p in zip(clips, found, strict=True) if not isinstance(p[1], DamagedClip)]
    if not pairs:
        raise UserError(
            f"no clip of {database.title or database.name} can be read (first: {found[0].reason})"
        )
    return [clip for clip, _ in pairs], [result for _, result in pairs]


def warn_of_damage(database: ClipDatabase, found: Sequence[Any]) -> None:
    """Give a warning for each DamagedClip in ``found``."""
    for damaged in found:
        if isinstance(damaged, DamagedClip):
            warnings.warn(
                f"{database.title or database.name}: clip {damaged.name} is left out: "
                f"{damaged.reason}",
                stacklevel=2,
            )
