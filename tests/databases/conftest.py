import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def released_folder():
    """The authors' released features, which are never part of the repository."""
    default = Path(__file__).parents[2].parent / "shared" / "data" / "released_features"
    folder = Path(os.environ.get("CDMER_RELEASED", default))
    if not folder.is_dir():
        pytest.skip(f"the released features are not in {folder}; set CDMER_RELEASED to run this")
    return folder
