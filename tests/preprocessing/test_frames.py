"""Grey conversion."""

import numpy as np
import pytest

from cdmer_bench.errors import UserError
from cdmer_bench.preprocessing import to_grey


def test_primary_colours_have_their_weights():
    frame = 255 * np.eye(3, dtype=np.uint8)[None]
    got = to_grey(frame)
    assert got.dtype == np.uint8
    assert got.tolist() == [[76, 150, 29]]  # 76.22, 149.69, 29.07


def test_grey_levels_of_a_colourless_frame_are_kept():
    levels = np.arange(256, dtype=np.uint8)[None]
    assert np.array_equal(to_grey(np.repeat(levels[..., None], 3, axis=2)), levels)


def test_float_frames_are_not_rounded():
    assert to_grey(np.full((1, 1, 3), 0.5))[0, 0] == pytest.approx(0.49995)


def test_opacity_and_a_single_channel_are_dropped():
    frame = np.random.default_rng(0).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    assert np.array_equal(to_grey(frame), to_grey(frame[..., :3]))
    assert np.array_equal(to_grey(frame[..., :1]), frame[..., 0])
    assert np.array_equal(to_grey(frame[..., 0]), frame[..., 0])


def test_sixteen_bit_frames_do_not_overflow():
    assert to_grey(np.full((1, 1, 3), 65535, np.uint16))[0, 0] == 65528  # weights sum to 0.9999


@pytest.mark.parametrize("shape", [(4,), (4, 5, 2), (2, 4, 5, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UserError, match="channels"):
        to_grey(np.zeros(shape))
