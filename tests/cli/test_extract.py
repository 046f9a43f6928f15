"""`cdmer extract`: what it says, and that a second call finds everything there."""

from tests.small_corpus import write_clip_corpus

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
    assert [line.split(":")[0] for line in err.splitlines()] == ["left", "right"]


def test_features_of_files_cannot_be_extracted(corpus, cdmer):
    code, _, err = cdmer("extract", *corpus.arguments("task=red/green"))
    assert code == 2
    assert "the corpus 'small' holds features that are already extracted" in err
