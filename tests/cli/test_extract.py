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
