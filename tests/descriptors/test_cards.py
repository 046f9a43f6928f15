"""The cards in conf/descriptor and conf/preprocessing build what they say."""

from importlib import import_module
from importlib.resources import files

import numpy as np
import pytest
import yaml

from cdmer_bench.errors import UserError

FOLDER = files("cdmer_bench.conf") / "descriptor"
# Rows of Tables V and VI of the paper, without C3D.
ROW = {"LBP-TOP(R3P8)": "Baseline"}  # what the printed tables call it
PAPER_ROWS = {
    "Baseline": 15045,
    "LBP-TOP(R1P4)": 3825,
    "LBP-TOP(R1P8)": 15045,
    "LBP-TOP(R3P4)": 3825,
    "LBP-SIP(R1)": 1700,
    "LBP-SIP(R3)": 1700,
    "LPQ-TOP(decorr=0.1)": 65280,
    "LPQ-TOP(decorr=0)": 65280,
    "HOG-TOP(p=4)": 1020,
    "HOG-TOP(p=8)": 2040,
    "HIGO-TOP(p=4)": 1020,
    "HIGO-TOP(p=8)": 2040,
}
# C3D has its own tests: it needs torch and weights.
ALL = [
    name
    for name in yaml.safe_load((FOLDER / "all.yaml").read_text(encoding="utf-8"))["defaults"]
    if not name.startswith("c3d")
]
CLIP = np.random.default_rng(0).normal(128, 30, (16, 112, 112))


def load(folder, name):
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    card = yaml.safe_load(text)
    module, _, cls = card["_target_"].rpartition(".")
    return text, card, getattr(import_module(module), cls)


@pytest.mark.parametrize("name", [*ALL, "lbp_top_r3p8_grids1234"])
def test_card(name):
    text, card, cls = load(FOLDER, name)
    assert text.startswith(f"# @package descriptors.{name}\n")
    descriptor = cls(**card["parameters"])
    assert card["label"].startswith(descriptor.label)
    assert descriptor.parameters() == card["parameters"]  # every parameter is written out
    got = descriptor.extract(CLIP)
    n_blocks = 30 if "1234" in name else 85
    assert got.shape[0] == n_blocks
    width = PAPER_ROWS.get(ROW.get(card["label"], card["label"]), n_blocks * 177)
    assert got.size == width


def test_all_is_the_papers_rows():
    cards = [load(FOLDER, name)[1] for name in ALL]
    assert {ROW.get(card["label"], card["label"]) for card in cards} == set(PAPER_ROWS)
    assert len(ALL) == len(PAPER_ROWS)


def test_preprocessing_card():
    text, card, cls = load(files("cdmer_bench.conf") / "preprocessing", "tim16_112")
    assert text.startswith("# @package preprocessing\n")
    assert cls(**card["parameters"]).parameters() == card["parameters"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrong", [{"grids": [0]}, {"grids": []}, {"cut": "floor"}])
def test_wrong_parameters_are_named_before_any_clip(name, wrong):
    _, card, cls = load(FOLDER, name)
    with pytest.raises(UserError, match=r"grid|cut"):
        cls(**{**card["parameters"], **wrong})


@pytest.mark.parametrize("name", ALL)
def test_same_clip_gives_the_same_bytes(name):
    _, card, cls = load(FOLDER, name)
    descriptor = cls(**card["parameters"])
    first = descriptor.extract(CLIP)
    assert np.array_equal(first, descriptor.extract(np.asfortranarray(CLIP)))
    assert np.array_equal(first, descriptor.extract(CLIP))
