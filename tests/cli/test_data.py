import json

import numpy as np
import pytest

from tests.small_corpus import write_clip_corpus


def test_check_reads_every_file_of_features(corpus, cdmer):
    words = ("data", "check", "corpus=small", "--config-dir", "my_conf")
    code, out, _ = cdmer(*words)
    assert code == 2
    lines = out.splitlines()
    assert lines[0].startswith("Red: 24 clips, ")
    assert lines[0].endswith(" low/mid/high (given)")
    assert lines[1].startswith("Green: 18 clips, ")
    assert lines[2].startswith("error: unreadable: Blue: ")
    assert "blue.npz does not exist" in lines[2]
    X, y = np.load("red.npz")["features"], np.load("red.npz")["labels"]
    corpus.write("blue", np.concatenate([X, X[:1]]), np.append(y, y[0]))
    code, out, _ = cdmer(*words, "--format", "json")
    assert code == 0
    (told,) = json.loads(out)
    assert told["code"] == "repeated-samples"
    assert "1 of 25 samples repeat an earlier one" in told["found"]


def test_check_reads_every_clip_of_a_reader_of_ones_own(corpus, cdmer):
    write_clip_corpus(corpus.folder)
    module = corpus.folder / "my_conf" / "noise.py"
    broken = (
        "        if self.name == '4':\n            raise OSError('no image')\n        return np"
    )
    text = module.read_text().replace("        return np", broken)
    module.write_text(text.replace('f"noise {i}"', 'f"noise {i % 5}"'))
    code, out, err = cdmer("data", "check", "corpus=noise", "--config-dir", "my_conf")
    assert code == 2, err
    for name in ("left", "right"):
        assert f"{name}: 4: found its frames() raised OSError: no image" in out
        assert "1 of 6 clips have the frames of an earlier one, 1 under another label" in out
    code, out, _ = cdmer("data", "check", "corpus=noise", "--config-dir", "my_conf", "--quick")
    assert code == 0
    assert "no image" not in out


def test_check_of_a_folder_without_features(tmp_path, cdmer):
    code, out, _ = cdmer("data", "check", "corpus=released", f"corpus.root={tmp_path}")
    assert code == 2
    assert out.count("error: no-features: ") == 4
    assert "CASME II: found no file of features; expected one or more" in out


def test_check_of_generated_databases_counts_their_clips(cdmer):
    code, out, _ = cdmer("data", "check", "corpus=synthetic")
    assert code == 0
    assert "CASME II: 130 clips, 73/32/25 negative/positive/surprise" in out
    assert out.endswith("no finding\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--databases", "smic_nir,nothing"), "'nothing' is unknown"),
        (("--n-jobs", "0"), "n_jobs is 0, expected a number of processes"),
    ],
)
def test_what_cannot_be_made_is_told_before_any_clip(tmp_path, cdmer, words, said):
    code, _, err = cdmer("data", "synthesize", "--out", str(tmp_path / "out"), *words)
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()
