import pytest

from tests.fuzz import drawing


@pytest.fixture(scope="session", autouse=True)
def _folder(tmp_path_factory):
    drawing.FOLDER = tmp_path_factory.mktemp("fuzz")
