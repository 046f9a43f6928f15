"""Objects from cards: what a card must name, and what is said where it does not."""

import pytest

from cdmer_bench.config.build import build, build_databases, build_method
from cdmer_bench.config.schema import MethodCard
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.descriptors.lbp_top import LBPTOP
from cdmer_bench.errors import UserError
from cdmer_bench.methods.base import Method
from cdmer_bench.methods.tca import TCA
from cdmer_bench.preprocessing import Preprocessing

TCA_NAME, LBP_TOP_NAME = "cdmer_bench.methods.tca.TCA", "cdmer_bench.descriptors.lbp_top.LBPTOP"


def test_a_card_gives_the_object_that_it_describes():
    assert build(LBP_TOP_NAME, {"R": 1, "P": 4}, "here", Descriptor) == LBPTOP(R=1, P=4)
    assert build_method("tca", MethodCard(TCA_NAME, "TCA", parameters={"C": 2.0}), None) == TCA(C=2)


@pytest.mark.parametrize(
    ("target", "parameters", "kind", "said"),
    [
        ("nowhere.Nothing", {}, Method, "cannot be imported"),
        ("tca", {}, Method, "cannot be imported"),
        ("math.pi", {}, Method, "which is no class"),
        ("cdmer_bench.methods.base.Method", {}, Method, "could not be built"),
        (TCA_NAME, {"mew": 1.0}, Method, "parameters.mew is not a parameter of .* mu"),
        (LBP_TOP_NAME, {}, Method, "no Method; derive the class from cdmer_bench.methods.base"),
        (TCA_NAME, {}, Descriptor, "no Descriptor; derive the class from"),
        ("builtins.dict", {}, Preprocessing, "which is no class"),
        ("fractions.Fraction", {}, Preprocessing, "no Preprocessing; derive the class from"),
    ],
)
def test_a_card_that_names_something_else_is_refused(target, parameters, kind, said):
    with pytest.raises(UserError, match=f"^here.*{said}"):
        build(target, parameters, "here", kind)


@pytest.mark.parametrize("hook", ["__init__", "check_values"])
def test_a_class_whose_own_code_fails_is_one_sentence(tmp_path, monkeypatch, hook):
    lines = "from cdmer_bench.methods import TCA\n\nclass Faulty(TCA):\n"
    own = f"    def {hook}(self, *given, **named):\n        raise KeyError(1)\n"
    (tmp_path / f"faulty{hook}.py").write_text(lines + own)
    monkeypatch.syspath_prepend(tmp_path)
    said = rf"^methods\.mine: faulty{hook}\.Faulty raised KeyError: 1 .*line 5\); correct it"
    with pytest.raises(UserError, match=said):
        build_method("mine", MethodCard(f"faulty{hook}.Faulty", "Mine"), None)


def test_a_reader_that_reads_no_database_is_refused():
    corpus = {"reader": {"_target_": TCA_NAME}, "databases": {"red": {"C": 1.0}}}
    with pytest.raises(UserError, match=r"databases\.red\.name is not a parameter"):
        build_databases(corpus)
    corpus["reader"]["_target_"] = "threading.Thread"
    with pytest.raises(UserError, match=r"^corpus\.databases\.red\._target_ .* no Database;"):
        build_databases(corpus)
