"""`cdmer extract`: what it says, and that a second call finds everything there."""

import pytest

from tests.small_corpus import CLIP_CORPUS, CLIPS, write_clip_corpus

DESCRIPTORS = "descriptor=lbp_top_r1p4,hog_top_p4"


def test_each_descriptor_is_extracted_once(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    arguments = corpus.arguments("corpus=noise", DESCRIPTORS, "task=left/right", "n_jobs=1")
    code, out, err = cdmer("extract", *arguments)
    assert (code, out) == (0, "")
    assert "extracting left: 6 clips" in err
    assert "right: 2 descriptors extracted, 0 were there already" in err
    code, _, err = cdmer("extract", *arguments)
    assert code == 0
    assert "right: 0 descriptors extracted, 2 were there already" in err
    assert len(list((corpus.folder / "cache").rglob("*.npz"))) == 4


def test_a_plan_extracts_nothing(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    words = corpus.arguments("corpus=noise", "task=left/right", "n_jobs=1", "progress=false")
    assert cdmer("extract", *words, "descriptor=hog_top_p4")[0] == 0
    there = sorted((corpus.folder / "cache" / "features").iterdir())
    code, out, _ = cdmer("extract", *words, DESCRIPTORS, "dry_run=true")
    assert code == 0
    for name in ("left", "right"):
        assert f"{name}: 1 descriptor to extract, 1 are there already" in out
    assert "features of 12 clips, about" in out
    assert "together about" in out
    assert sorted((corpus.folder / "cache" / "features").iterdir()) == there
    code, out, _ = cdmer("extract", *words, DESCRIPTORS, "dry_run=true", "force=true")
    assert "left: 2 descriptors to extract, 0 are there already" in out
    assert sorted((corpus.folder / "cache" / "features").iterdir()) == there


def test_without_progress_only_the_outcome_is_said(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    arguments = corpus.arguments("corpus=noise", DESCRIPTORS, "task=left/right", "n_jobs=1")
    code, _, err = cdmer("extract", *arguments, "progress=false")
    assert code == 0
    assert [line.split(":")[0] for line in err.splitlines()] == ["left", "right"] * 2


def test_features_of_files_cannot_be_extracted(corpus, cdmer):
    code, _, err = cdmer("extract", *corpus.arguments("task=red/green"))
    assert code == 2
    assert "the corpus 'small' holds features that are already extracted" in err


@pytest.mark.parametrize("command", ["run", "extract"])
def test_data_with_errors_stop_the_command_unless_they_are_to_be_ignored(command, corpus, cdmer):
    conf = corpus.folder / "my_conf"
    (conf / "upside_down.py").write_text(
        CLIPS + "\n    def account(self, descriptor=None):\n"
        "        from dataclasses import replace\n"
        "        from cdmer_bench.databases.base import Finding\n"
        "        found = Finding('error', 'a frame is upside down', 's1/0')\n"
        "        return replace(super().account(descriptor), findings=[found])\n"
    )
    card = CLIP_CORPUS.replace("noise", "upside_down")
    (conf / "corpus" / "upside_down.yaml").write_text(card)
    words = ["corpus=upside_down", "descriptor=hog_top_p4", "task=left/right", "n_jobs=1"]
    arguments = corpus.arguments(*words, *(["method=svm"] if command == "run" else []))
    code, out, err = cdmer(command, *arguments)
    assert (code, out) == (2, "")
    assert "left: 6 clips, 2/2/2 a/b/c; 1 error: cdmer data check corpus=upside_down" in err
    assert "a frame is upside down" in err.splitlines()[-1]
    assert "data.errors=ignore" in err.splitlines()[-1]
    assert not (corpus.folder / "cache" / "features").exists()
    code, out, _ = cdmer(command, *arguments, "data.errors=ignore")
    assert code == 0
    assert ("errors in the data were ignored" in out) == (command == "run")


PARTS = """
@dataclass
class Parts(Noise):
    def clips(self):
        from cdmer_bench.errors import DataMissing
        if self.name in ("gone", "lost"):
            raise DataMissing(f"{self.name} is not on this machine")
        return super().clips()
"""
REFUSING = """\
from dataclasses import dataclass
import numpy as np
from cdmer_bench.descriptors import Descriptor
from cdmer_bench.errors import UserError

@dataclass
class Refusing(Descriptor):
    def extract(self, frames):
        if np.asarray(frames).mean() > 0:
            raise UserError("these frames are refused")
        return np.zeros((1, 1, 1))
"""


@pytest.fixture
def parts(corpus):
    """Clips of four databases, of which one is gone, and a descriptor that refuses all frames."""
    conf = corpus.folder / "my_conf"
    (conf / "parts.py").write_text(CLIPS + PARTS)
    text = CLIP_CORPUS.replace("noise.Noise", "parts.Parts").replace("noise", "parts")
    (conf / "corpus" / "parts.yaml").write_text(
        text + "  gone: {classes: [a, b, c]}\n  lost: {classes: [a, b, c]}\n"
    )
    (conf / "refusing.py").write_text(REFUSING)
    (conf / "descriptor").mkdir()
    (conf / "descriptor" / "refusing.yaml").write_text(
        "# @package descriptors.refusing\n_target_: refusing.Refusing\nlabel: Refusing\n"
    )
    return corpus


def call(corpus, cdmer, command, *more):
    words = ("corpus=parts", "n_jobs=1", "progress=false", *more)
    return cdmer(command, *corpus.arguments(*words))


def test_a_database_that_is_not_there_is_named_beside_the_others(parts, cdmer):
    code, _, err = call(parts, cdmer, "extract", "task=left/right,right/gone", DESCRIPTORS)
    assert code == 0
    assert "left: 2 descriptors extracted, 0 were there already" in err
    assert "gone lbp_top_r1p4, gone hog_top_p4: gone is not on this machine" in err
    plan = call(parts, cdmer, "extract", "task=left/right,right/gone", DESCRIPTORS, "dry_run=true")
    assert plan[0] == 0
    assert "without features: gone hog_top_p4: gone is not on this machine" in plan[1]
    assert "left: 0 descriptors to extract, 2 are there already" in plan[1]
    code, _, err = call(parts, cdmer, "extract", "task=gone/lost", DESCRIPTORS)
    assert code == 2
    assert "nothing that was chosen has its databases" in err


def test_a_descriptor_that_refuses_the_frames_is_a_failure_beside_the_others(parts, cdmer):
    both = ("task=left/right", "descriptor=hog_top_p4")
    assert call(parts, cdmer, "extract", *both)[0] == 0
    both = ("task=left/right", "descriptor=refusing,hog_top_p4")
    code, _, err = call(parts, cdmer, "extract", *both)
    assert code == 1
    assert "left: 0 descriptors extracted, 1 were there already" in err
    reason = "clip 0: these frames are refused"
    assert f"without features: left refusing, right refusing: {reason}" in err
    # In a run the cells that need them are refused, and the others run.
    code, out, err = call(parts, cdmer, "run", "method=svm", *both)
    assert code == 1
    assert "HOG-TOP(p=4)" in out
    assert f"refused: left → right Baseline Refusing: {reason}" in err
    code, _, err = call(parts, cdmer, "run", "method=svm", "task=left/right", "descriptor=refusing")
    assert code == 2


def test_a_descriptor_that_refuses_the_frames_costs_the_others_nothing(parts, cdmer):
    # A clip is read once for all descriptors.
    words = ("task=left/right", "descriptor=refusing,hog_top_p4")
    code, _, err = call(parts, cdmer, "extract", *words)
    assert code == 1
    assert "left: 1 descriptor extracted, 0 were there already" in err
    reason = "clip 0: these frames are refused"
    assert f"without features: left refusing, right refusing: {reason}" in err
    code, _, err = call(parts, cdmer, "extract", words[0], "descriptor=refusing")
    assert code == 2
    assert err.splitlines()[-1] == "cdmer: nothing could be extracted; correct what is named above"


def test_a_descriptor_that_is_no_dataclass_is_one_sentence(parts, cdmer):
    path = parts.folder / "my_conf" / "refusing.py"
    path.write_text(path.read_text().replace("@dataclass\n", ""))
    card = parts.folder / "my_conf" / "descriptor" / "refusing.yaml"
    path.rename(path.with_name("undecorated.py"))
    card.write_text(card.read_text().replace("refusing.Refusing", "undecorated.Refusing"))
    for command, method in (("run", ["method=svm"]), ("extract", [])):
        words = ("task=left/right", "descriptor=refusing", *method)
        code, out, err = call(parts, cdmer, command, *words)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert "undecorated.Refusing, which is no dataclass; put @dataclass above" in err
        assert "its fields are the descriptor's parameters" in err
