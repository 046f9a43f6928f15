"""A folder of the user's own, and `cdmer run` on it."""

import importlib
import sys

import pytest

from tests.runner.own_cards import write_place


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_place(tmp_path)


@pytest.fixture
def planned(place, cdmer):
    """Run or plan as a new process would, in which no module of the user's is imported yet."""

    def call(kind: str, *more: str) -> str:
        for name, module in list(sys.modules.items()):
            if "my_conf" in str(getattr(module, "__file__", "")):
                del sys.modules[name]
        importlib.invalidate_caches()
        code, out, err = cdmer("run", *place.arguments(kind, "backend=sequential", *more))
        assert code == 0, err
        return out + err

    return call
