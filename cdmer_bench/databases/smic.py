"""SMIC as it lies on users' disks: HS, VIS and NIR, cropped, raw, and the extended SMIC-E."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, Reading
from cdmer_bench.databases.coding_sheet import (
    HEADINGS,
    CodedClip,
    CodingSheet,
    read_coding_sheets,
    settle_repeated,
)
from cdmer_bench.databases.releases import (
    OUTSIDE,
    Cut,
    Found,
    Key,
    Release,
    add_clips,
    choose_release,
    cut_release,
    find_releases,
    recognise,
    whole,
)
from cdmer_bench.errors import UserError

CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}
CLIP_PATTERN = re.compile(r"s0*(?P<subject>\d+)_(?P<clip>(?:ne|po|sur)_0*\d+)", re.I)
CAMERAS = ("HS", "VIS", "NIR")
KINDS = ("cropped", "raw", "extended")  # in order of preference
# Frames of a clip. The longest real ones have 58 at 100, and about 14 at 25 frames a second.
LONGEST = {"HS": 70, "VIS": 20, "NIR": 20}
_EXTENDED = re.compile(r"smic[ _-]?((hs|vis|nir)[ _-]?)?e(xtended)?([ _-]|$)|[ _-]long$", re.I)


def read_smic(
    folders: Sequence[ClipFolder],  # from `scan_tree`
    # possible annotation sheets, each with the names of the folders from the root to it
    sheets: Sequence[tuple[Path, Sequence[str]]],
    camera: str,
    release: str = "auto",
    # end of the annotation sheet's path, and name of the worksheet, where several would do
    sheet: str = "",
    worksheet: str = "",
) -> Reading:
    """Find the clips of one camera of SMIC in a scanned tree.

    A clip is a folder ``s<k>_{ne,po,sur}_<i>``, whose name gives subject and class. In SMIC_all
    it holds the frames from onset to offset; in SMIC-E it holds more, and the annotation sheet
    says where onset and offset are. ``non_micro`` folders are passed over.
    """
    reading = Reading()
    title = f"SMIC ({camera})"
    found: list[Found] = []
    empty: list[Found] = []
    elsewhere: list[Found] = []
    for folder in folders:
        one = _recognise(folder)
        if one is not None or _is_non_micro(folder):
            reading.known.add(folder.path)
        if one is None or _is_non_micro(folder):
            continue
        if told_camera(folder.parts) == camera:
            (found if folder.files else empty).append(one)
        elif told_camera(folder.parts) is None:
            elsewhere.append(one)
    reading.n_folders = len(found) + len(empty) + len(elsewhere)
    coding = _read_annotation(sheets, camera, sheet, worksheet, found, reading, title)
    coded = {} if coding is None else {_key(row.clip): row for row in coding.rows}
    releases = [
        (one, _cut(one, coded, camera))
        for one in find_releases(found, _kind)
        if release in ("auto", one.kind)
    ]
    if not releases:
        _note_absent(elsewhere, camera, release, reading, title)
        return reading
    taken, cuts = choose_release(releases, KINDS, reading, title, "clips")
    if taken.kind == "extended":
        _note_extended(taken.place, cuts, camera, coding, reading, title)
    apart = {
        key: one for release, _ in releases for key, (one, *_) in release.folders.items()
        if key not in taken.folders
    }  # fmt: skip
    for key in sorted(apart):
        reading.note(
            "error", "clip-without-frames", f"{title}: {key[1]}",
            f"only in {apart[key].folder.path}", f"a folder like those in {taken.place}",
            "bring both together, or choose with the key release=",
        )  # fmt: skip
    lost = [one.folder.path for one in elsewhere if one.key not in taken.folders]
    if lost:
        reading.note(
            "error", "camera-unknown", title,
            f"{len(lost)} clips such as {lost[0]} below no folder that tells the camera",
            f"clips of this camera in {taken.place}", "name their folder by the camera, or move it",
        )  # fmt: skip
    for one in empty:
        if one.base in taken.bases:
            reading.note(
                "error", "clip-without-frames", f"{title}: {one.folder.path}",
                "no image in the folder", "at least one frame",
                "copy that folder from the original database",
            )  # fmt: skip
    if coding is not None:
        absent = [row.row for key, row in coded.items() if key and key not in taken.folders]
        coding.note(
            "error", "clip-without-frames", absent, f"without a folder in {taken.place}",
            "a folder for every row", "copy these folders from the original database",
        )  # fmt: skip
        reading.findings += coding.findings
    add_clips(
        cuts, reading, title, "s{}".format,
        lambda cut: f"s{cut.row.key[0]}/{cut.row.clip}", lambda row: row.emotion,
    )  # fmt: skip
    return reading


def _key(name: str) -> Key | None:
    """Identify ``s01_ne_3`` as ``(1, 's1_ne_03')``."""
    told = CLIP_PATTERN.fullmatch(name.strip())
    if told is None:
        return None
    token, index = told["clip"].lower().split("_")
    return int(told["subject"]), f"s{int(told['subject'])}_{token}_{int(index):02d}"


def _recognise(folder: ClipFolder) -> Found | None:
    one = recognise(folder, CLIP_PATTERN)
    if one is None:
        return None
    key = _key(f"s{one.key[0]}_{one.key[1]}")
    assert key is not None
    return replace(one, key=key)


def _is_non_micro(folder: ClipFolder) -> bool:
    return any(re.sub(r"[^a-z]", "", part.lower()) == "nonmicro" for part in folder.parts)


def told_camera(parts: Sequence[str]) -> str | None:
    """Return the camera that the nearest folder's name tells."""
    for part in reversed(parts):
        words = re.split(r"[^A-Za-z0-9]+", part.upper())
        told = [camera for camera in CAMERAS if camera in words or f"SMIC{camera}" in words]
        if len(told) == 1:
            return told[0]
    return None


def _kind(members: Sequence[Found]) -> str:
    first = members[0]
    in_micro = "micro" in [part.lower() for part in first.folder.parts]
    if not in_micro and any(_EXTENDED.search(part) for part in first.base):
        return "extended"
    names = [name for one in members for name in one.folder.files]
    registered = sum(name.lower().startswith("reg") for name in names)
    return "cropped" if 2 * registered > len(names) else "raw"


def _cut(release: Release, coded: dict[Key | None, CodedClip], camera: str) -> list[Cut]:
    """Cut every clip by its row of the annotation sheet; without a row, take its folder whole."""
    tokens = list(CLASSES)
    rows = []
    for key in sorted(
        release.folders, key=lambda k: (k[0], tokens.index(k[1].split("_")[1]), k[1])
    ):
        label = CLASSES[key[1].split("_")[1]]
        row = coded.get(key)
        rows.append(
            replace(row, subject=str(key[0]), clip=key[1], emotion=label)
            if row
            else CodedClip(str(key[0]), key[1], None, None, None, label, 0)
        )
    cuts = cut_release(release, rows, True, None)
    for cut in cuts:
        assert cut.found is not None
        frames, parts = cut.found.folder.frames, [p.lower() for p in cut.found.folder.parts]
        codes = [problem[1] for problem in cut.problems]
        if cut.row.row and OUTSIDE in codes and "micro" in parts and len(frames) <= LONGEST[camera]:
            # SMIC_all beside the sheet of SMIC-E, whose frames may count from another number.
            cut.problems = []
            whole(cut)
            cut.problems.append(
                ("warning", "sheet-differs",
                 f"frames {frames[0][0]} to {frames[-1][0]}",
                 f"frames {cut.row.onset} to {cut.row.offset} of the annotation sheet",
                 "the folder was taken whole, as SMIC_all has it; check the first and last frame")
            )  # fmt: skip
        elif not cut.row.row and release.kind == "extended":
            cut.problems.append(
                ("error", "frames-without-label", "no row in the annotation sheet",
                 "onset and offset of this clip", "use SMIC_all, or complete the sheet")
            )  # fmt: skip
        elif not cut.row.row and len(cut.frames) > LONGEST[camera]:
            cut.problems.append(
                ("error", "clip-too-long",
                 f"{len(cut.frames)} frames, and no annotation sheet that says which are the clip",
                 f"at most {LONGEST[camera]} frames from onset to offset",
                 "copy the annotation sheet of SMIC-E into the root, use SMIC_all, or write a "
                 "clips table")
            )  # fmt: skip
        told = cut.found.emotion
        if told in CLASSES.values() and told != cut.row.emotion:
            cut.problems.append(
                ("error", "class-contradiction",
                 f"a {cut.row.emotion} clip in the folder {told}", f"a folder {cut.row.emotion}",
                 "restore the original folders; the clip is left out")
            )  # fmt: skip
    return cuts


def _read_annotation(
    sheets: Sequence[tuple[Path, Sequence[str]]],
    camera: str,
    wanted: str,
    worksheet: str,
    found: Sequence[Found],
    reading: Reading,
    title: str,
) -> CodingSheet | None:
    """Read the annotation sheet of a camera that lies nearest to the frames."""
    own = {role: (f"{role}f{camera.lower()}", *HEADINGS[role]) for role in ("onset", "offset")}
    read = []
    for path, parts in sheets:
        named = told_camera(parts)
        if (wanted and not path.as_posix().endswith(wanted)) or named not in (camera, None):
            continue
        try:
            tables = read_coding_sheets(
                path, worksheet or None, own, ("subject", "clip", "onset", "offset")
            )
        except UserError as error:
            if named or wanted:
                code = "sheet-xls" if path.suffix.lower() == ".xls" else "sheet-unreadable"
                reading.note(
                    "warning", code, path, str(error), "a readable annotation sheet",
                    "see what was found",
                )  # fmt: skip
            continue
        for one in tables:
            one.rows = [row for row in one.rows if _key(row.clip)]
            told = told_camera([*parts, one.worksheet])
            if told is None and f"onsetf{camera.lower()}" in one.headings:
                told = camera
            if one.rows and (told == camera or wanted):
                read.append(one)
    if not read:
        return None
    near = found[0].folder.path if found else None

    def shared(one: CodingSheet) -> int:
        parts = near.parts if near else ()
        return sum(a == b for a, b in zip(one.path.parts, parts, strict=False))

    chosen = min(read, key=lambda one: (-shared(one), str(one)))
    settle_repeated(chosen, False)
    reading.interpretation.append(f"{title}: annotation sheet {chosen} ({len(chosen.rows)} rows)")
    frames = {_key(row.clip): (row.onset, row.offset) for row in chosen.rows}
    for other in read:
        differing = [
            f"{row.clip} is frames {row.onset} to {row.offset} in row {row.row} of {other}"
            for row in other.rows
            if frames.get(_key(row.clip), (row.onset, row.offset)) != (row.onset, row.offset)
        ]
        if other is not chosen and differing:
            reading.note(
                "error", "sheets-contradict", chosen,
                f"another annotation sheet that says otherwise: {'; '.join(differing[:3])}",
                "one annotation sheet",
                "remove the wrong one, or choose one with the keys sheet= and worksheet=",
            )  # fmt: skip
    return chosen


def _note_extended(
    base: Path,
    cuts: Sequence[Cut],
    camera: str,
    coding: CodingSheet | None,
    reading: Reading,
    title: str,
) -> None:
    if coding is None:
        reading.note(
            "error", "no-coding-sheet", title, f"clips of SMIC-E in {base} without a sheet",
            f"SMIC-{camera}-E_annotation.xlsx with the columns Subject, Filename, OnsetF, OffsetF",
            "copy the sheet into the root, or use SMIC_all, which needs none",
        )  # fmt: skip
    if camera == "HS":
        reading.note(
            "warning", "smic-e", title, f"SMIC-E ({len(cuts)} clips) in {base}",
            "SMIC_all (164 clips), which the paper uses; SMIC-E-HS has 157 of them only",
            "take SMIC_all_cropped/HS for the paper's protocol",
        )  # fmt: skip


def _note_absent(
    unplaced: Sequence[Found], camera: str, release: str, reading: Reading, title: str
) -> None:
    found = f"no folder s<k>_{{ne,po,sur}}_<i> of this camera (release: {release})"
    if unplaced:
        found = (
            f"{len(unplaced)} clips such as {unplaced[0].folder.path} below no folder that tells "
            "the camera"
        )
    reading.note(
        "error", "no-frames", title, found,
        f"SMIC_all_cropped/{camera}/s1/micro/negative/s1_ne_01/ and the like, at any depth",
        f"give the folder that holds {camera} with corpus.root=DIR, or name it {camera}",
    )  # fmt: skip
