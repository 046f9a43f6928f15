"""What stands for code in a key: versions inside, sources outside, all that they import."""

import importlib
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from cdmer_bench.identity import code_hash, identity
from cdmer_bench.methods import TCA

MODULES = {
    "first_of_mine.py": "import second_of_mine\nimport numpy\n",
    "second_of_mine.py": "def late():\n    from pack_of_mine.inner import deep\n",
    "pack_of_mine/__init__.py": "",
    "pack_of_mine/inner.py": "from . import outer\nfrom .deeper import thing\n",
    "pack_of_mine/outer.py": "import importlib\nimportlib.import_module('named_of_mine')\n",
    "pack_of_mine/deeper.py": "thing = 1\n",
    "named_of_mine.py": "x = 1\n",
    "not_of_these.py": "y = 1\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path


@pytest.mark.parametrize("name", MODULES)
def test_every_module_that_is_imported_counts_and_no_other(folder, name):
    before = code_hash(["first_of_mine"])
    assert before == code_hash(["first_of_mine"])
    (folder / name).write_text(MODULES[name] + "# edited\n")
    assert (code_hash(["first_of_mine"]) != before) is (name != "not_of_these.py")
    assert "first_of_mine" not in sys.modules  # nothing is run to find out


def test_code_of_this_package_and_of_installed_ones_has_no_hash():
    assert code_hash(["cdmer_bench.methods.tca", "json", "__main__"]) == ""
    assert code_hash((), ["numpy.linalg", "sklearn.svm.SVC", "no such.thing", "1.5"]) == ""


def test_what_a_parameter_names_counts_where_it_is_the_users_own(folder):
    before = code_hash((), ["named_of_mine.Estimator"])
    assert before
    (folder / "named_of_mine.py").write_text("x = 2\n")
    assert code_hash((), ["named_of_mine.Estimator"]) != before


def test_a_raised_version_and_another_parameter_are_another_identity(monkeypatch):
    before = identity(TCA(C=1.0))
    assert identity(TCA(C=1.0)) == before
    assert identity(TCA(C=2.0)) != before
    monkeypatch.setattr(TCA, "version", TCA.version + 1)
    assert identity(TCA(C=1.0)) != before


def test_what_parameters_name_counts_however_deep_it_stands(folder):
    @dataclass
    class Naming:
        steps: object

        def parameters(self):
            return {"steps": self.steps}

    name = "named_of_mine.Estimator"
    for steps in (name, [name], ("scale", name), {"last": {"made": [name]}}):
        (folder / "named_of_mine.py").write_text("x = 1\n")
        before = identity(Naming(steps))
        assert before["parameters"] == {"steps": steps}
        (folder / "named_of_mine.py").write_text("x = 2\n")
        assert identity(Naming(steps)) != before, steps


def test_classes_of_one_name_in_two_modules_are_told_apart():
    same = [type("Same", (), {"__module__": f"module_{n}"}) for n in (1, 2)]
    assert identity(same[0]()) != identity(same[1]())


def test_a_factory_of_the_users_counts_beside_the_class_that_it_makes(folder):
    before = identity(TCA(), "first_of_mine.make")
    assert before != identity(TCA())
    (folder / "pack_of_mine" / "deeper.py").write_text("thing = 2\n")
    assert identity(TCA(), "first_of_mine.make") != before


def test_a_class_without_parameters_has_an_identity():
    @dataclass
    class Plain:
        version: ClassVar[int] = 3

    assert identity(Plain())["version"] == 3
