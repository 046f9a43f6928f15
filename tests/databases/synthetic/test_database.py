"""The synthetic databases have the structure of the real ones."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from cdmer_bench.databases.base import EMOTIONS
from cdmer_bench.databases.synthetic.database import SyntheticDatabase
from cdmer_bench.errors import UserError

# The corrected Table I of the paper: negative, positive, surprise.
TABLE_I = {
    "casme2": (73, 32, 25),
    "smic_hs": (70, 51, 43),
    "smic_vis": (23, 28, 20),
    "smic_nir": (23, 28, 20),
}
# combined_3class_gt.csv of the MEGC 2019 challenge, SMIC-HS.
HS_SUBJECTS = """s1 3/2/1, s2 0/1/5, s3 22/11/6, s4 10/4/5, s5 1/0/1, s6 2/0/2, s8 9/4/0, s9 0/1/3,
s11 3/3/1, s12 0/8/1, s13 0/10/0, s14 3/2/5, s15 1/1/2, s18 2/0/5, s19 0/1/1, s20 14/3/5"""
# Frames from onset to offset in the real databases: fewest, most, and the median's neighbourhood.
FRAMES = {
    "casme2": (31, 146, 55, 67),
    "smic_hs": (11, 58, 29, 37),
    "smic_vis": (4, 15, 7, 10),
    "smic_nir": (4, 15, 7, 10),
}


def count(clips, subject=None):
    labels = [clip.label for clip in clips if subject in (None, clip.subject)]
    return tuple(np.bincount(labels, minlength=3).tolist())


@pytest.mark.parametrize("name", TABLE_I)
def test_counts_are_those_of_the_corrected_table(name):
    clips = SyntheticDatabase(name).clips()
    assert count(clips) == TABLE_I[name]
    assert len({clip.name for clip in clips}) == len(clips)


def test_smic_hs_has_the_clips_of_each_subject():
    clips = SyntheticDatabase("smic_hs").clips()
    expected = dict(item.split() for item in HS_SUBJECTS.replace("\n", " ").split(", "))
    found = {s: "/".join(map(str, count(clips, s))) for s in {c.subject for c in clips}}
    assert found == expected


def test_casme2_has_its_22_subjects_and_the_largest_ones():
    clips = SyntheticDatabase("casme2").clips()
    sizes = {clip.subject: sum(count(clips, clip.subject)) for clip in clips}
    assert len(sizes) == 22
    assert [sizes[s] for s in ("sub17", "sub19", "sub26", "sub12")] == [24, 12, 12, 11]
    assert not {"sub08", "sub18", "sub21", "sub22"} & set(sizes)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", FRAMES)
def test_clips_are_as_long_as_the_real_ones(name, seed):
    lengths = [clip.n_frames for clip in SyntheticDatabase(name, seed=seed).clips()]
    fewest, most, low, high = FRAMES[name]
    assert min(lengths) >= fewest
    assert max(lengths) <= most
    assert low <= np.median(lengths) <= high


@pytest.mark.parametrize("name", ["smic_vis", "smic_nir"])
def test_vis_and_nir_show_the_events_of_hs(name):
    events = {clip.name: clip for clip in SyntheticDatabase("smic_hs").clips()}
    clips = SyntheticDatabase(name).clips()
    for clip in clips:
        twin = events[clip.name]
        assert clip.event.expression == twin.event.expression
        assert (clip.label, clip.event.duration) == (twin.label, twin.event.duration)
    hs = [c.name for c in events.values() if c.subject in {clip.subject for clip in clips}]
    assert [clip.name for clip in clips] == hs


def test_apex_lies_between_onset_and_offset():
    for clip in SyntheticDatabase("casme2").clips():
        assert 1 < clip.onset <= clip.apex <= clip.offset
        assert clip.offset - clip.onset + 1 == clip.n_frames


def test_frames_are_grey_and_differ_between_cameras():
    frames = {name: SyntheticDatabase(name).clips()[-1].frames() for name in TABLE_I}
    for name, clip in frames.items():
        assert clip.dtype == np.uint8
        assert len(clip) == SyntheticDatabase(name).clips()[-1].n_frames
        assert 60 < clip.mean() < 200
        assert clip.std() > 20
    assert len({clip.shape[1:] for clip in frames.values()}) == 4


def test_another_process_renders_the_same_bytes_in_another_order():
    clips = SyntheticDatabase("smic_nir", seed=3).clips()
    here = [hashlib.sha256(clips[k].frames().tobytes()).hexdigest() for k in (0, 40)]
    code = (
        "import hashlib\n"
        "from cdmer_bench.databases.synthetic.database import SyntheticDatabase\n"
        "clips = SyntheticDatabase('smic_nir', seed=3).clips()\n"
        "for k in (40, 0):\n"
        "    print(hashlib.sha256(clips[k].frames().tobytes()).hexdigest())\n"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.split() == here[::-1]


def test_fingerprint_names_seed_database_and_clip():
    clips = [
        clip
        for name in ("smic_vis", "smic_nir")
        for seed in (0, 1)
        for clip in SyntheticDatabase(name, seed=seed).clips()
    ]
    assert len({clip.fingerprint for clip in clips}) == 4 * 71
    again = SyntheticDatabase("smic_vis", seed=0).clips()[0]
    assert again.fingerprint == clips[0].fingerprint


def test_another_seed_shows_another_person():
    first, second = (SyntheticDatabase("smic_nir", seed=s).clips()[0].frames()[0] for s in (0, 1))
    assert np.abs(first.astype(float) - second).mean() > 10


def test_listing_does_not_render(monkeypatch):
    import cdmer_bench.databases.synthetic.render as render

    monkeypatch.setattr(render, "render", None)
    clips = SyntheticDatabase("casme2").clips()
    assert len(clips) == 130
    with pytest.raises(TypeError):
        clips[0].frames()


def test_unknown_name_is_an_error_with_the_choices():
    with pytest.raises(UserError, match=r"'casme'.*did you mean 'casme2'"):
        SyntheticDatabase("casme")


def test_other_classes_are_an_error():
    with pytest.raises(UserError, match="negative, positive, surprise"):
        SyntheticDatabase("casme2", classes=("happy", "sad"))
    assert SyntheticDatabase("casme2", classes=list(EMOTIONS)).classes == EMOTIONS
