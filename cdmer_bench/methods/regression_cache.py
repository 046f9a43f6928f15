"""Regressions of TSRG and DRFS-T, kept in the cache folder, where each finds the other's.

An entry is a batch: all mu of one lambda. Its name is the SHA-256 of everything that its bits
depend on, so a method's result is the same whether it solved the regressions or found them.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from cdmer_bench.errors import UserError
from cdmer_bench.io import (
    array_hash,
    content_key,
    pack_arrays,
    read_arrays,
    set_aside,
    write_atomically,
)
from cdmer_bench.methods.base import Prepared

FOLDER = "regressions"  # in the cache folder
FORMAT = 2  # raised whenever the numbers of a regression change
LARGEST = 1 << 28  # bytes of an entry; what would be larger is not kept


def entry_path(cache: str, prepared: Prepared, mus: list[float], **solver: Any) -> Path | None:
    """Return where the regressions of some mu lie or will lie; None where none are to be kept.

    They are kept only if the samples to predict are those adapted to (not in a fold of
    cross-validation): only then does the other method need the same ones.
    """
    raw, fixed, columns = (prepared[name] for name in ("raw", "fixed", "columns"))
    a = columns.shape[1]
    size = 8 * 3 * len(mus) * a * (len(raw) + a)  # products, and four errors in float32
    own = prepared["kernel"][:, len(fixed) :]
    if not cache or size > LARGEST or not np.array_equal(raw, fixed):
        return None
    if not np.array_equal(columns, own):
        return None
    samples = array_hash(prepared["kernel"]), array_hash(fixed)
    key = content_key({"format": FORMAT, "samples": samples, "mu": mus, **solver})
    return Path(cache) / FOLDER / f"{key}.npz"


def load_entry(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of an entry; None if there is none, or it was damaged and set aside."""
    try:
        arrays = read_arrays(path)
        if str(arrays.pop("key")) != path.stem:
            raise ValueError("it is another entry")
        return arrays
    except (ValueError, KeyError) as error:
        set_aside(path, str(error))
    except (OSError, UserError):  # there is none that can be read
        pass
    return None


def save_entry(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep an entry, for its owner only; one that cannot be written is solved again."""
    with suppress(OSError, UserError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(
            path, pack_arrays({**arrays, "key": np.array(path.stem)}, compressed=False)
        )
