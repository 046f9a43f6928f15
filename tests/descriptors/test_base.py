"""What every descriptor, and the steps before it, take as a clip and refuse."""

from functools import partial

import numpy as np
import pytest

from cdmer_bench.descriptors import (
    HIGOTOP,
    HOGTOP,
    LBPSIP,
    LBPTOP,
    LPQTOP,
    Descriptor,
    higo_top,
    hog_top,
    lbp_sip,
    lbp_top,
    lpq_top,
)
from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import Preprocessing, tim

CLIP = np.random.default_rng(0).integers(0, 256, (9, 44, 48), dtype=np.uint8)
HOLED = CLIP.astype(float)
HOLED[3, 4, 5] = np.nan
DESCRIPTORS = [lbp_top, lbp_sip, lpq_top, hog_top, higo_top]
KINDS = [LBPTOP, LBPSIP, LPQTOP, HOGTOP, HIGOTOP]
STEPS = [*DESCRIPTORS, lambda clip: tim(clip, 16), Preprocessing()]
NAMES = ["LBP-TOP", "LBP-SIP", "LPQ-TOP", "HOG-TOP", "HIGO-TOP", "TIM", "preprocessing"]
GRIDS = (1, 2, 4)
every_descriptor = pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=NAMES[:5])


@pytest.mark.parametrize("step", STEPS, ids=NAMES)
@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (CLIP[0], r"shape \(44, 48\), expected \(frames, rows, columns\)"),
        (CLIP[None], r"shape \(1, 9, 44, 48\)"),
        (np.stack([CLIP] * 3, axis=-1), "to_grey"),
        (CLIP[:0], r"shape \(0, 44, 48\), .* at least one of each"),
        (CLIP[:, :0], r"shape \(9, 0, 48\)"),
        ([], r"shape \(0,\)"),
        (3, r"shape \(\)"),
        (HOLED, "NaN or infinite grey levels"),
        (np.where(CLIP > 250, -np.inf, CLIP), "NaN or infinite grey levels"),
        (CLIP.astype(object), "object values, expected real numbers"),
        (CLIP.astype(complex), "complex128 values, expected real numbers"),
        (CLIP.astype(str), "values, expected real numbers"),
        (None, "object values, expected real numbers"),
        ([[[1, 2], [3]], [[4]]], "different lengths"),
    ],
)
def test_what_is_no_clip_is_refused_in_one_sentence(step, clip, words):
    with pytest.raises(UserError, match=words) as refusal:
        step(clip)
    assert "\n" not in str(refusal.value)


@every_descriptor
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_clip_too_short_on_an_axis_is_refused_with_what_it_needs(descriptor, axis):
    least = {lbp_top: 7, lpq_top: 5}.get(descriptor, 3)
    shape = [9, 9, 9]
    shape[axis] = least - 1
    words = f"needs at least {least} frames, rows and columns.* {' x '.join(map(str, shape))}"
    with pytest.raises(UserError, match=words):
        descriptor(np.zeros(shape), grids=(1,))
    shape[axis] = least
    assert descriptor(np.zeros(shape), grids=(1,)).shape[0] == 1


@every_descriptor
@pytest.mark.parametrize("grids", [None, 4, 2.5, "12", (), (0,), (1, 2.5), (1, None)])
def test_wrong_grids_are_refused(descriptor, grids):
    with pytest.raises(UserError, match="grid"):
        descriptor(CLIP, grids=grids)


@every_descriptor
def test_type_and_memory_order_of_the_grey_levels_do_not_matter(descriptor):
    expected = descriptor(CLIP, grids=GRIDS)
    spread = np.zeros((18, 88, 96), np.uint8)
    spread[::2, ::2, ::2] = CLIP
    backwards = np.ascontiguousarray(CLIP[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
    kinds = [CLIP.astype(kind) for kind in ("f2", "f4", "f8", ">f8", "i2", "i8", "u2")]
    for same in (*kinds, np.asfortranarray(CLIP), spread[::2, ::2, ::2], backwards, CLIP.tolist()):
        got = descriptor(same, grids=GRIDS)
        assert got.dtype == np.float64
        assert np.array_equal(got, expected)


@every_descriptor
def test_levels_outside_0_to_255_are_taken_as_they_are(descriptor):
    levels = 4 * CLIP.astype(int) - 500
    assert np.array_equal(descriptor(levels, grids=GRIDS), descriptor(CLIP, grids=GRIDS))


@every_descriptor
def test_the_clip_is_left_as_it_was(descriptor):
    clip = CLIP.astype(float)
    clip.setflags(write=False)
    first = descriptor(clip, grids=GRIDS)
    first[...] = 9  # what was returned is no part of anything kept
    assert np.array_equal(descriptor(clip, grids=GRIDS), descriptor(CLIP, grids=GRIDS))


def test_a_descriptor_needs_no_label_of_its_own():
    class Plain(Descriptor):
        def extract(self, frames):
            return np.zeros((1, 1, 1))

    assert Plain().label == "Plain"


@pytest.mark.parametrize("numba_off", ["0", "1"])
@pytest.mark.parametrize(
    ("descriptor", "kind"),
    [
        *zip(DESCRIPTORS, KINDS, strict=True),
        (partial(lpq_top, block_mode="codemap"), partial(LPQTOP, block_mode="codemap")),
    ],
    ids=[*NAMES[:5], "codemap"],
)
def test_the_cut_and_the_grids_count_and_are_those_of_the_object(
    descriptor, kind, numba_off, monkeypatch
):
    """Three blocks of 43 or 48, or a little less, are of other lengths by rounding up."""
    monkeypatch.setenv("CDMER_NO_NUMBA", numba_off)
    clip = CLIP[:, :43]
    every = [descriptor(clip, grids=(3, 2), cut=cut) for cut in ("round", "ceil")]
    assert not np.array_equal(*every)
    for cut, found in zip(("round", "ceil"), every, strict=True):
        alone = [descriptor(clip, grids=(g,), cut=cut) for g in (3, 2)]
        np.testing.assert_allclose(found, np.concatenate(alone), rtol=0, atol=1e-14)
        of_object = kind(grids=(3, 2), cut=cut).extract(clip)
        np.testing.assert_array_equal(of_object.reshape(found.shape), found)


def test_every_option_of_a_descriptor_counts_with_and_without_compiled_loops(monkeypatch):
    flat = np.repeat(np.repeat(CLIP[:, ::4, ::4], 4, axis=1), 4, axis=2)
    options = {
        lbp_sip: {"ties": ("one", "zero"), "R": (1, 2)},
        lbp_top: {"R": (1, 3), "P": (4, 8)},
        lpq_top: {"decorr": (0.0, 0.1), "block_mode": ("crop", "codemap")},
        hog_top: {"bins": (4, 8), "signed": (True, False), "voting": ("hard", "soft")},
        higo_top: {
            "bins": (4, 8),
            "signed": (True, False),
            "voting": ("hard", "soft"),
            "zero": ("skip", "vote"),
        },
    }
    kinds = dict(zip(DESCRIPTORS, KINDS, strict=True))
    for descriptor, choices in options.items():
        for name, values in choices.items():
            found = []
            for value in values:
                made = []
                for numba_off in ("0", "1"):
                    monkeypatch.setenv("CDMER_NO_NUMBA", numba_off)
                    made.append(descriptor(flat, grids=(2,), **{name: value}))
                    of_object = kinds[descriptor](grids=(2,), **{name: value}).extract(flat)
                    np.testing.assert_array_equal(of_object.reshape(made[-1].shape), made[-1])
                np.testing.assert_allclose(*made, rtol=0, atol=1e-12)
                found.append(made[0])
            assert found[0].shape != found[1].shape or not np.allclose(*found), (descriptor, name)
