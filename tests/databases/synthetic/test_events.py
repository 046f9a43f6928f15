"""Events follow the statistics that the generator is fixed to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdmer_bench.databases.base import EMOTIONS
from cdmer_bench.databases.synthetic.database import (
    BOTH_SIDES,
    Motion,
    SyntheticDatabase,
    make_event,
)
from cdmer_bench.databases.synthetic.faces import load_face_model


@pytest.fixture(scope="module", params=["casme2", "smic"])
def sample(request):
    group = request.param
    return group, [make_event(0, group, f"x{k}", EMOTIONS[k % 3], k) for k in range(1500)]


def test_peak_motion_is_lognormal(sample):
    group, events = sample
    peaks = np.log([event.expression.peak for event in events])
    assert np.exp(np.median(peaks)) == pytest.approx({"casme2": 2.0, "smic": 1.6}[group], rel=0.05)
    assert peaks.std() == pytest.approx(0.4, abs=0.03)


def test_durations(sample):
    group, events = sample
    seconds = np.array([event.duration for event in events])
    median = {"casme2": 0.31, "smic": 0.325}[group]
    low, high = {"casme2": (31 / 200, 146 / 200), "smic": (0.11, 0.58)}[group]
    assert np.median(seconds) == pytest.approx(median, rel=0.05)
    assert seconds.min() >= low
    assert seconds.max() <= high


def test_apex_lies_near_the_middle(sample):
    share = np.array([event.expression.apex / event.duration for event in sample[1]])
    assert share.mean() == pytest.approx(0.52, abs=0.02)
    assert share.std() == pytest.approx(0.15, abs=0.02)


def test_a_third_is_one_sided_and_nearly_half_have_class_free_motion(sample):
    events = sample[1]
    free = [event.class_free is not None for event in events]
    assert np.mean(free) == pytest.approx(0.45, abs=0.04)
    sided = [e.expression for e in events if not BOTH_SIDES & set(e.expression.units)]
    assert np.mean([len(m.sides) == 1 for m in sided]) == pytest.approx(0.35, abs=0.04)
    whole = [e.expression for e in events if BOTH_SIDES & set(e.expression.units)]
    assert {motion.sides for motion in whole} == {"LR"}


def test_class_free_motion_does_not_depend_on_the_class(sample):
    shares = []
    for emotion in EMOTIONS:
        of_class = [e.class_free for e in sample[1] if e.emotion == emotion]
        blinks = [m is not None and m.units == ("45",) for m in of_class]
        shares.append((np.mean([m is not None for m in of_class]), np.mean(blinks)))
    assert np.ptp(shares, axis=0).max() < 0.10


def test_prototypes_dominate_their_class(sample):
    for emotion, unit in zip(EMOTIONS, ("4", "12", "1"), strict=True):
        share = {
            other: np.mean([unit in e.expression.units for e in sample[1] if e.emotion == other])
            for other in EMOTIONS
        }
        assert max(share, key=share.get) == emotion
        assert share[emotion] > 0.4


def test_every_unit_is_known_to_the_face_model(sample):
    known = set(load_face_model().units)
    for event in sample[1]:
        for motion in (event.expression, event.class_free):
            if motion is not None:
                assert {u + side for u in motion.units for side in motion.sides} <= known


@given(
    apex=st.floats(0.05, 0.5), fall=st.floats(0.05, 0.5), rest=st.floats(0, 0.25),
    time=st.floats(-0.2, 1.2),
)  # fmt: skip
def test_strength_rises_to_the_apex_and_falls(apex, fall, rest, time):
    motion = Motion(("12",), "LR", 2.0, 0.0, apex, apex + fall, rest)
    at = motion.strength(np.array([0.0, apex / 2, apex, apex + fall / 2, apex + fall, time]))
    assert at[:5] == pytest.approx([0, 0.5, 1, (1 + rest) / 2, rest])
    assert 0 <= at[5] <= 1


def test_neighbouring_databases_share_the_event_but_not_the_clock():
    hs, vis = (SyntheticDatabase(name) for name in ("smic_hs", "smic_vis"))
    first = {clip.name: clip for clip in hs.clips()}
    for clip in vis.clips():
        assert len(clip.times) == pytest.approx(len(first[clip.name].times) / 4, abs=1)
        assert np.diff(clip.times) == pytest.approx(1 / 25)
