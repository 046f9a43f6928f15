import os

import cv2
import numpy as np
import pytest
from PIL import Image

from cdmer_bench.databases.frames import FrameDatabase
from cdmer_bench.databases.image_files import (
    FrameClip,
    frame_number,
    is_image,
    mark_and_size,
    name_pattern,
    read_grey,
    scan_tree,
)
from cdmer_bench.errors import UserError
from tests.databases.trees import smic


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("reg_img46.jpg", 46), ("img007.bmp", 7), ("006_05562.jpg", 5562), ("00012.png", 12),
        ("reg_image00100234.bmp", 100234), ("Frame_000000031.jpg", 31), ("face.jpg", None),
        ("img46 (1).jpg", 46), ("img46(2).jpg", 46),
    ],
)  # fmt: skip
def test_number_in_a_name(name, number):
    assert frame_number(name) == number


def test_what_is_an_image():
    assert is_image("a1.JPG")
    assert is_image("a1.tiff")
    assert not is_image("._a1.jpg")
    assert not is_image("a1.avi")


def test_grey_and_colour(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "three.bmp"), np.stack([grey] * 3, axis=-1))
    assert np.array_equal(read_grey(tmp_path / "grey.png"), grey)
    assert np.array_equal(read_grey(tmp_path / "three.bmp"), grey)
    blue_green_red_alpha = np.zeros((2, 2, 4), np.uint8)
    blue_green_red_alpha[...] = (10, 100, 200, 7)
    cv2.imwrite(str(tmp_path / "alpha.png"), blue_green_red_alpha)
    # 0.2989 x 200 + 0.5870 x 100 + 0.1140 x 10 = 119.62
    assert read_grey(tmp_path / "alpha.png").tolist() == [[120, 120], [120, 120]]


def test_16_bits_are_scaled_to_255(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.array([[0, 257, 65535, 1000]], np.uint16))
    assert read_grey(tmp_path / "deep.png")[0].tolist() == pytest.approx([0, 1, 255, 1000 / 257])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_cut_file_is_never_read_as_a_picture(tmp_path, suffix, part):
    path = tmp_path / f"img1{suffix}"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(UserError, match=r"img1\.\w+ is (empty|cut short|not a readable)"):
        read_grey(path)


def test_damage_inside_a_jpeg_is_never_read_as_a_picture(tmp_path, capfd):
    path = tmp_path / "img1.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (120, 120), np.uint8))
    read_grey(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"img1\.jpg is damaged \(.*JPEG data.*copy it again"):
        read_grey(path)
    assert capfd.readouterr().err == ""


def test_something_else_named_jpg(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>please log in</html>")
    with pytest.raises(UserError, match="not a readable image"):
        read_grey(tmp_path / "a.jpg")


def test_frames_of_two_sizes_are_no_clip(tmp_path):
    for number, side in enumerate((4, 4, 5)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((side, 6), np.uint8))
    clip = FrameClip("a", "s", 0, sorted(tmp_path.iterdir()))
    with pytest.raises(
        UserError, match=r"2\.png is 6 x 5 pixels, but the clip's first frame 6 x 4"
    ):
        clip.frames()


def test_a_link_to_nowhere_is_named_when_read(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((4, 4), np.uint8))
    (tmp_path / "2.png").symlink_to(tmp_path / "gone.png")
    clip = FrameClip("a", "s", 0, [tmp_path / "1.png", tmp_path / "2.png"])
    with pytest.raises(UserError, match=r"2\.png cannot be read \(No such file"):
        clip.frames()


def test_linked_folders_are_scanned_once_and_circles_end(tmp_path):
    disk, root = tmp_path / "disk", tmp_path / "root"
    (disk / "sub01" / "EP01_01").mkdir(parents=True)
    root.mkdir()
    cv2.imwrite(str(disk / "sub01" / "EP01_01" / "img1.png"), np.zeros((4, 4), np.uint8))
    (root / "first").symlink_to(disk, target_is_directory=True)
    (root / "second").symlink_to(disk, target_is_directory=True)
    (disk / "sub01" / "circle").symlink_to(root, target_is_directory=True)
    folders, _ = scan_tree(root)
    assert [folder.path for folder in folders if folder.files] == [
        root.resolve() / "first" / "sub01" / "EP01_01"
    ]


@pytest.mark.parametrize("name", ["cmyk.jpg", "cmyk.tif", "palette.png", "palette.bmp"])
def test_inks_and_palettes_are_read_as_their_colours(tmp_path, name):
    rng = np.random.default_rng(0)
    colours = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    picture = Image.fromarray(colours)
    inked = picture.convert("CMYK") if name.startswith("cmyk") else picture.quantize(64)
    inked.save(tmp_path / name)
    expected = colours @ np.array([0.2989, 0.5870, 0.1140])
    # JPEG rounds inside its 8 x 8 blocks, a palette of 64 for 48 colours merges a few.
    assert np.abs(read_grey(tmp_path / name) - expected).mean() < 3.0


def test_a_folder_that_may_not_be_listed_is_told_of(tmp_path, monkeypatch):
    (tmp_path / "sub01" / "EP01_01").mkdir(parents=True)
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def guarded(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = FrameDatabase("casme2", root=str(tmp_path)).findings
    told = [f for f in found if f.code == "folder-unreadable"]
    assert [(f.severity, f.where) for f in told] == [("warning", str(tmp_path / "locked"))]
    assert "Permission denied" in told[0].text
    assert "chmod" in told[0].action


def test_a_bitmap_from_the_top_down_is_cut_short_too(tmp_path):
    path = tmp_path / "img1.bmp"
    cv2.imwrite(str(path), np.arange(48, dtype=np.uint8).reshape(6, 8))
    content = bytearray(path.read_bytes())
    height = int.from_bytes(content[22:26], "little", signed=True)
    content[22:26] = (-height).to_bytes(4, "little", signed=True)
    path.write_bytes(content)
    assert read_grey(path).shape == (6, 8)
    path.write_bytes(content[:-5])
    with pytest.raises(UserError, match="cut short"):
        read_grey(path)


def test_names_of_several_forms_have_no_pattern():
    assert name_pattern(["img1.jpg", "img10.jpg"]) == "img{n}.jpg"
    assert name_pattern(["img1.jpg", "reg_img2.jpg"]) == ""


def test_every_folder_that_may_not_be_listed_is_told(tmp_path, monkeypatch):
    for name in ("locked a", "locked b"):
        (tmp_path / name).mkdir()
    scandir = os.scandir

    def guarded(path):
        if "locked" in os.fspath(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = FrameDatabase("casme2", root=str(tmp_path)).findings
    told = [f.where for f in found if f.code == "folder-unreadable"]
    assert told == [str(tmp_path / "locked a"), str(tmp_path / "locked b")]


PICTURE = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((8, 8), np.uint8))
UPRIGHT = {
    1: PICTURE, 2: PICTURE[:, ::-1], 3: PICTURE[::-1, ::-1], 4: PICTURE[::-1], 5: PICTURE.T,
    6: np.rot90(PICTURE, -1), 7: PICTURE[::-1, ::-1].T, 8: np.rot90(PICTURE),
}  # fmt: skip


def write_turned(path, mark):
    exif = Image.Exif()
    exif[0x0112] = mark
    how = {"tiffinfo": {274: mark}} if path.suffix == ".tif" else {"exif": exif.tobytes()}
    Image.fromarray(PICTURE).save(
        path, **how, **({"quality": 100} if path.suffix == ".jpg" else {})
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("mark", UPRIGHT)
def test_a_turned_picture_is_upright_in_every_format(tmp_path, suffix, mark):
    path = tmp_path / f"img1{suffix}"
    write_turned(path, mark)
    assert mark_and_size(path)[0] == mark
    read = read_grey(path)
    assert read.shape == UPRIGHT[mark].shape
    assert np.abs(read.astype(int) - UPRIGHT[mark]).max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize(
    "tail", [bytes(9000), b"\xff" * 9000, b"note of the camera" * 500, b"\xff\xda" * 9]
)
def test_what_follows_a_whole_picture_is_no_harm(tmp_path, suffix, tail):
    path = tmp_path / f"img1{suffix}"
    cv2.imwrite(str(path), PICTURE)
    plain = read_grey(path)
    path.write_bytes(path.read_bytes() + tail)
    assert np.array_equal(read_grey(path), plain)


@pytest.mark.parametrize("length", [0, 1, 2**24])
def test_a_bitmap_with_a_wrong_length_field_is_whole(tmp_path, length):
    path = tmp_path / "img1.bmp"
    cv2.imwrite(str(path), PICTURE)
    content = path.read_bytes()
    path.write_bytes(content[:2] + length.to_bytes(4, "little") + content[6:])
    assert np.array_equal(read_grey(path), PICTURE)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="cut short"):
        read_grey(path)


def test_a_jpeg_is_cut_though_its_preview_is_whole(tmp_path):
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))[1]
    whole = whole.tobytes()
    preview = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole
    path = tmp_path / "img1.jpg"
    path.write_bytes(whole[:2] + preview + whole[2:])
    assert read_grey(path).shape == (60, 60)
    path.write_bytes((whole[:2] + preview + whole[2:])[:-200])
    with pytest.raises(UserError, match="cut short"):
        read_grey(path)


def test_some_turned_frames_are_counted_and_the_first_is_named(tmp_path):
    tree = smic("NIR", ["NIR"], "{:05d}.png")
    root = tree.write(tmp_path)
    for clip in (tree.clips[2], tree.clips[4]):
        for path in (root / clip.place).iterdir():
            write_turned(path, 3)
    found = {f.code: f for f in FrameDatabase("smic_nir", root=str(root)).findings}
    assert found["frames-turned"].text.startswith("2 clips with frames marked as turned")
    assert f"first: {tree.clips[2].name}" in found["frames-turned"].text


@pytest.mark.parametrize(
    "name",
    ["pages.tif", "large.tif", "animation.png", "animation.gif", "animation.webp", "preview.tif"],
)
def test_a_file_of_several_pictures_is_no_frame(tmp_path, name):
    """Only the first would be read, and the others would be gone without a word."""
    one, two = (Image.fromarray(np.full((8, 6), level, np.uint8)) for level in (10, 200))
    path, preview = tmp_path / name, name == "preview.tif"
    more = {"big_tiff": True} if name == "large.tif" else {}
    others = [two.resize((3, 4))] if preview else [two, one]
    one.save(path, save_all=True, append_images=others, **more)
    if preview:
        assert (read_grey(path) == 10).all()
        return
    with pytest.raises(UserError, match=f"{name} holds [23] pictures, expected one; write each"):
        read_grey(path)


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".pgm", ".ppm", ".jp2", ".jfif", ".jpe"])
@pytest.mark.parametrize("part", [0.5, 0.95, 1.0])
def test_every_format_that_opencv_reads_is_a_frame_or_refused(tmp_path, suffix, part):
    grey = np.kron(np.arange(100, 148, 2), np.ones((8, 8))).reshape(64, 24).astype(np.uint8)
    picture, path = Image.fromarray(grey), tmp_path / f"img7{suffix}"
    picture.convert("RGB").save(path, **({"lossless": True} if suffix == ".webp" else {}))
    assert is_image(path.name)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    if part == 1:
        np.testing.assert_allclose(read_grey(path).astype(float), grey, atol=6)
    else:
        with pytest.raises(UserError):
            read_grey(path)


def test_a_link_to_nothing_is_told(tmp_path):
    tree = smic("NIR", ["NIR"], "{:05d}.png")
    root = tree.write(tmp_path)
    place = (root / tree.clips[0].place).parent / "s1_ne_09"
    place.symlink_to(tmp_path / "another disk")
    (told,) = FrameDatabase("smic_nir", root=str(root)).findings
    assert (told.severity, told.code, told.where) == ("warning", "folder-unreadable", str(place))
    assert told.text == "a link that leads to nothing"
