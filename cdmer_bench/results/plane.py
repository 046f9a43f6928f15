"""Where a cell's samples lie in the plane before and after adaptation, in a file beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.io import content_key, pack_arrays
from cdmer_bench.results.record import CellRecord

FILE = "plane.npz"
# Raised whenever the recorded numbers change; older files are then set aside.
VERSION = 1


@dataclass(frozen=True)
class Plane:
    """What a picture of a cell's source and target shows.

    Attributes
    ----------
    setting : int
        Index of the setting that was drawn, chosen by the rule ``rule``.
    rule : str
    before, after : ndarray, shape (n_source + n_target, 2)
        Source samples first. ``after`` is None for a method that moves no sample.
    """

    setting: int
    rule: str
    before: NDArray[np.float64]
    after: NDArray[np.float64] | None


def pack_plane(key: str, plane: Plane) -> bytes:
    """Return the file of a plane, bound by its key to the record with ``key``."""
    after = np.zeros((0, 2)) if plane.after is None else plane.after
    return pack_arrays(
        {
            "key": np.array(_plane_key(key)),
            "setting": np.array(plane.setting),
            "rule": np.array(plane.rule),
            "before": plane.before,
            "after": after,
        }
    )


def unpack_plane(record: CellRecord, arrays: dict[str, NDArray]) -> Plane:
    """Check what a file of :func:`pack_plane` held against its record.

    Raises
    ------
    ValueError
        If it belongs to another record or version, or does not fit the record.
    """
    check_key(record.key, arrays)
    missing = {"setting", "rule", "before", "after"} - set(arrays)
    if missing:
        raise ValueError(f"it holds no {' and no '.join(sorted(missing))}")
    setting, before, after = int(arrays["setting"]), arrays["before"], arrays["after"]
    if before.dtype != float or after.dtype != float or arrays["rule"].dtype.kind != "U":
        raise ValueError("it holds something else than points and the name of a rule")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("a point of it is not finite")
    shape = (len(record.y_source) + len(record.y_target), 2)
    if before.shape != shape or after.shape not in (shape, (0, 2)):
        raise ValueError(f"its points have the shapes {before.shape} and {after.shape}")
    if not 0 <= setting < len(record.settings):
        raise ValueError(f"it shows setting {setting} of {len(record.settings)}")
    return Plane(setting, str(arrays["rule"]), before, after if len(after) else None)


def check_key(record_key: str, arrays: dict[str, NDArray]) -> str:
    """Return the key of a plane's file if it belongs to the record with ``record_key``.

    Raises
    ------
    ValueError
        If it belongs to another record or version.
    """
    key = _plane_key(record_key)
    if "key" not in arrays or str(arrays["key"]) != key:
        raise ValueError("it belongs to another cell, or to another version of cdmer-bench")
    return key


def _plane_key(record_key: str) -> str:
    return content_key({"plane": VERSION, "record": record_key})
