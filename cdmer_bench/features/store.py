"""The store of extracted features: one checked file for each database and descriptor."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from cdmer_bench.databases.base import ClipDatabase, FeatureSet
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.io import (
    clear_errors,
    content_key,
    pack_arrays,
    read_arrays,
    remove_leftovers,
    set_aside,
    user_path,
    write_atomically,
)
from cdmer_bench.preprocessing import Preprocessing


def identity(part: Any) -> dict[str, Any]:
    """Return what tells a descriptor or a preprocessing apart: class, version, parameters."""
    kind = type(part)
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "version": part.version,
        "parameters": part.parameters(),
    }


class FeatureStore:
    """Features under content keys: nothing stale is ever read.

    Parameters
    ----------
    folder
        The cache folder. It holds data derived from licensed clips, so it is made private to
        the user; it must not be shared.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder)

    def key(
        self, database: ClipDatabase, descriptor: Descriptor, preprocessing: Preprocessing
    ) -> str:
        """Return the key: hash of descriptor, preprocessing and every clip's identity."""
        clips = [[c.name, c.subject, c.label, c.fingerprint] for c in database.clips()]
        return content_key(
            {
                "descriptor": identity(descriptor),
                "preprocessing": identity(preprocessing),
                "classes": database.classes,
                "clips": clips,
            }
        )

    def path(self, database: str, key: str) -> Path:
        """Return where the features of that key lie."""
        return self.folder / "features" / f"{database}-{key[:32]}.npz"

    def load(self, database: ClipDatabase, key: str) -> FeatureSet | None:
        """Load features, or None if they are not there or were damaged (then set aside)."""
        path = self.path(database.name, key)
        try:
            arrays = read_arrays(path)
            if str(arrays["key"]) != key:
                raise ValueError("its key is another one")
            return FeatureSet(
                database.name, arrays["X"], arrays["y"], arrays["subject"], database.classes, key
            )
        except FileNotFoundError:
            return None
        except PermissionError:
            raise UserError(
                f"{path} cannot be read by you; set cache.dir to a folder of your own"
            ) from None
        except UserError:
            raise
        except (ValueError, KeyError) as error:
            set_aside(path, str(error))
            return None

    def save(self, features: FeatureSet) -> None:
        """Store features under their fingerprint."""
        assert features.subject is not None
        with clear_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.stat(self.folder).st_uid == os.getuid():
                os.chmod(self.folder, 0o700)
        path = self.path(features.database, features.fingerprint)
        write_atomically(
            path,
            pack_arrays(
                {
                    "X": features.X,
                    "y": features.y,
                    "subject": features.subject,
                    "key": np.array(features.fingerprint),
                }
            ),
        )
        remove_leftovers(path.parent)
