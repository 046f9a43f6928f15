"""What the action units do to the picture."""

import cv2
import numpy as np
import pytest

from cdmer_bench.databases.synthetic.database import Event, Motion, SyntheticClip
from cdmer_bench.databases.synthetic.faces import make_subject
from cdmer_bench.databases.synthetic.portrait import (
    TEXTURE_ORIGIN,
    TEXTURE_SCALE,
    make_head,
    paint_skin,
)
from cdmer_bench.databases.synthetic.render import (
    CAMERAS,
    CROP_CENTRE,
    CROP_SIZE,
    at_112,
    crop_grid,
    peak_displacement,
    to_crop,
)

STILL = np.zeros((2, 2))


def film(units, peak=3.0, sides="LR", database="casme2", subject="sub17", drift=STILL):
    """Return the frames at rest and at the peak, at 112 x 112."""
    motion = Motion(tuple(units), sides, peak, 0.0, 0.1, 0.2)
    event = Event("positive", 0.2, motion, None, drift)
    clip = SyntheticClip("test", subject, 1, 0, database, event, np.array([0.0, 0.1]), onset=1)
    return [
        cv2.resize(f.astype(np.float32), (112, 112), interpolation=cv2.INTER_AREA)
        for f in clip.frames()
    ]


def flow(units, rows, columns, **how):
    """Return the mean optical flow (x, y) in a window, pixels at 112 x 112."""
    rest, peak = (frame.astype(np.uint8) for frame in film(units, **how))
    field = cv2.calcOpticalFlowFarneback(rest, peak, None, 0.5, 2, 15, 5, 7, 1.5, 0)
    return field[rows, columns].reshape(-1, 2).mean(axis=0)


# Windows of a registered face, rows then columns; the subject's left is on the right.
LEFT_BROW, RIGHT_BROW = (slice(25, 36), slice(64, 86)), (slice(25, 36), slice(26, 48))
LEFT_CORNER, RIGHT_CORNER = (slice(78, 90), slice(68, 80)), (slice(78, 90), slice(32, 44))


def test_brows_rise_in_surprise_and_sink_in_anger():
    for window in (LEFT_BROW, RIGHT_BROW):
        assert flow(("1", "2"), *window)[1] < -0.5
        assert flow(("4",), *window)[1] > 0.3


def test_smile_moves_the_mouth_corners_up_and_out():
    left, right = flow(("12",), *LEFT_CORNER), flow(("12",), *RIGHT_CORNER)
    assert left[1] < -0.3
    assert right[1] < -0.3
    assert left[0] > 0.3 > -0.3 > right[0]


def test_one_sided_motion_leaves_the_other_side_alone():
    left = np.linalg.norm(flow(("12",), *LEFT_CORNER, sides="L"))
    right = np.linalg.norm(flow(("12",), *RIGHT_CORNER, sides="L"))
    assert left > 4 * right


def test_jaw_drop_opens_a_dark_gap():
    rest, peak = film(("26",), peak=6.0)
    mouth = (slice(74, 100), slice(38, 74))
    dark = 0.4 * np.median(rest)
    assert (peak[mouth] < dark).sum() > (rest[mouth] < dark).sum() + 15


def test_blink_hides_the_iris():
    rest, peak = film(("45",), peak=None)
    for eye in ((slice(38, 48), slice(26, 48)), (slice(38, 48), slice(64, 86))):
        skin = np.median(rest[50:70, 30:80])
        assert (peak[eye] < 0.5 * skin).sum() < 0.6 * (rest[eye] < 0.5 * skin).sum()


def test_drift_of_the_head_moves_everything():
    # Halfway through the event the linear part of the drift is 0 and the bow is full.
    drift = np.array([[0.0, 0.0], [3.0, -2.0]])
    rest, peak = film(("12",), peak=0.01, drift=drift)
    window = cv2.createHanningWindow((112, 112), cv2.CV_32F)
    motion, _ = cv2.phaseCorrelate(rest, peak, window)
    assert motion == pytest.approx([3.0, -2.0], abs=0.15)


def test_peak_is_the_largest_displacement_of_the_visible_face():
    head = make_head(make_subject(0, "smic", "s3"))
    motion = Motion(("1", "2"), "LR", 1.7, 0, 1, 2)
    move = peak_displacement(head, motion)
    seen = np.asarray(head.coverage.weights.sum(axis=0)).ravel() > 0
    assert np.linalg.norm(at_112(move[seen]), axis=1).max() == pytest.approx(1.7)
    # The upper lid cannot rise as far as that: its own full motion is the limit.
    lid = peak_displacement(head, Motion(("5",), "LR", 50.0, 0, 1, 2))
    assert np.linalg.norm(at_112(lid[seen]), axis=1).max() < 5


def test_near_infrared_hides_lips_and_blemishes():
    place = np.stack(np.meshgrid(np.linspace(-0.3, 0.3, 432), np.linspace(-0.3, -0.9, 508)), -1)
    place = place.astype(np.float32)
    none, lips = np.zeros((508, 432), np.float32), np.ones((508, 432), np.float32)
    subject = make_subject(0, "smic", "s20")

    def paint(lip, infrared):
        return paint_skin(subject, place, lip, none, infrared)

    visible, infrared = ((paint(lips, b) / paint(none, b)).mean() for b in (False, True))
    assert visible < 0.75
    assert 0.8 < infrared < 1
    spread = [paint(none, b).std() / paint(none, b).mean() for b in (False, True)]
    assert spread[1] < 0.7 * spread[0]


def test_eyes_of_every_subject_lie_where_the_crop_puts_them():
    for name in ("s1", "s13"):
        head = make_head(make_subject(0, "smic", name))
        middle = to_crop(head.eyes, (112, 112), np.zeros(2), 0.0, 1.0).mean(axis=0)
        expected = (0.5 - CROP_CENTRE / CROP_SIZE) * 112 - 0.5
        np.testing.assert_allclose(middle, expected, atol=1e-6)
        assert head.eyes[0, 1] == pytest.approx(head.eyes[1, 1])


def test_crop_grid_and_its_inverse_agree():
    placement = (np.array([1.5, -2.0]), 0.03, 1.02)
    grid = crop_grid((40, 30), *placement)
    points = grid[[0, 17, 39], [29, 3, 12]].astype(float)
    back = to_crop(points, (40, 30), *placement)
    np.testing.assert_allclose(back, [[29, 0], [3, 17], [12, 39]], atol=1e-3)
    centre = crop_grid((3, 3), np.zeros(2), 0.0, 1.0)[1, 1]
    np.testing.assert_allclose(centre, TEXTURE_ORIGIN + CROP_CENTRE * TEXTURE_SCALE, atol=1e-3)


def test_noise_is_the_camera_s_shot_noise():
    camera = CAMERAS["smic_hs"]
    for brightness in (0.2, 0.6):
        light = np.full((200, 200), brightness / camera.gain, np.float32)
        frame = camera.develop(light, 1.0, np.random.default_rng(0)).astype(float)
        assert frame.std() == pytest.approx(camera.noise * np.sqrt(brightness), rel=0.03)
        assert frame.mean() == pytest.approx(255 * brightness**camera.gamma, abs=0.1)
