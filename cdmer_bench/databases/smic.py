"""SMIC as it lies on users' disks: HS, VIS and NIR, cropped, raw, and the extended SMIC-E."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from cdmer_bench.databases.clip_folders import ClipFolder, FrameClip, Reading
from cdmer_bench.databases.coded_frames import choose_frames, readable_sheets
from cdmer_bench.databases.coding_sheet import CodedClip, read_coding_sheet

CLASS_TOKENS = {"ne": "negative", "po": "positive", "sur": "surprise"}
CLIP_PATTERN = re.compile(r"s0*(\d+)_(ne|po|sur)_0*(\d+)", re.I)
CAMERAS = ("HS", "VIS", "NIR")
KINDS = ("cropped", "raw", "extended")  # in order of preference

ClipKey = tuple[int, str, int]  # subject, class token, index


def read_smic(
    folders: Sequence[ClipFolder],
    sheets: Sequence[Path],
    classes: Sequence[str],
    camera: str,
    release: str = "auto",
) -> Reading:
    """Find the clips of one camera of SMIC in a scanned tree.

    A clip is a folder ``s<k>_{ne,po,sur}_<i>``, whose name gives subject and class. In SMIC_all
    it holds the frames from onset to offset; in SMIC-E it holds more, and the annotation sheet
    says where onset and offset are. ``non_micro`` folders are passed over.

    Parameters
    ----------
    folders, sheets
        From `scan_tree`.
    classes : sequence of str
    camera : {'HS', 'VIS', 'NIR'}
    release : {'auto', 'cropped', 'raw', 'extended'}

    Returns
    -------
    Reading
        Clips by subject, class (negative, positive, surprise) and index, which is the order of
        the authors' released features.
    """
    reading = Reading()
    name = f"SMIC ({camera})"
    groups: dict[tuple[Path, str], list[ClipFolder]] = defaultdict(list)
    empty: list[ClipFolder] = []
    for folder in folders:
        if clip_key(folder.path.name) and not _is_non_micro(folder.path):
            base = _base(folder.path)
            if _camera(base) == camera and folder.files:
                groups[base, _kind(folder, base)].append(folder)
            elif _camera(base) == camera:
                empty.append(folder)
    eligible = {key: found for key, found in groups.items() if release in ("auto", key[1])}
    if not eligible:
        _note_absent(folders, camera, release, reading, name)
        return reading
    base, kind = _choose(eligible, reading, name)
    chosen = _unique(eligible[base, kind], reading, name)
    coded = _read_annotation(sheets, base, camera, reading, name) if kind == "extended" else None
    if kind == "extended":
        _note_extended(base, len(chosen), camera, reading, name)
    for folder in empty:
        if _base(folder.path) == base:
            reading.note(
                "error", "clip-without-frames", f"{name}: {folder.path}", "no image in the folder",
                "at least one frame", "copy that folder from the original database",
            )  # fmt: skip
    for key in sorted(chosen, key=_class_order):
        _add_clip(chosen[key], key, coded, classes, reading, name)
    return reading


def clip_key(folder_name: str) -> ClipKey | None:
    """Return (subject, class token, index) of ``s01_ne_03`` or ``s1_ne_3``, else None."""
    found = CLIP_PATTERN.fullmatch(folder_name.strip())
    return (int(found[1]), found[2].lower(), int(found[3])) if found else None


def _class_order(key: ClipKey) -> tuple[int, int, int]:
    return key[0], list(CLASS_TOKENS).index(key[1]), key[2]


def _add_clip(
    folder: ClipFolder,
    key: ClipKey,
    coded: dict[ClipKey, CodedClip] | None,
    classes: Sequence[str],
    reading: Reading,
    name: str,
) -> None:
    where = f"{name}: s{key[0]}/{folder.path.name}"
    label = CLASS_TOKENS[key[1]]
    said = [part for part in folder.path.parts[-4:-1] if part.lower() in CLASS_TOKENS.values()]
    if said and said[-1].lower() != label:
        reading.note(
            "error", "class-contradiction", where,
            f"a {label} clip in the folder {said[-1]}", f"a folder {label}",
            "restore the original folders; the clip is left out",
        )  # fmt: skip
        return
    row = CodedClip(str(key[0]), folder.path.name, None, None, None, label, 0)
    if coded is not None:
        if key not in coded:
            reading.note(
                "error", "frames-without-label", where, "no row in the annotation sheet",
                "onset and offset of this clip", "use SMIC_all, or complete the sheet",
            )  # fmt: skip
            return
        row = coded[key]
    files = choose_frames(folder, row, coded is None, reading, where)
    if not files and coded is None and not folder.frames():
        reading.note(
            "error", "frames-without-number", where,
            f"{len(folder.files)} images without a number in their names",
            "reg_image000123.bmp and the like", "restore the original names",
        )  # fmt: skip
    if files:
        unique = f"s{key[0]}/s{key[0]}_{key[1]}_{key[2]:02d}"
        reading.clips.append(
            FrameClip.of(unique, f"s{key[0]}", list(classes).index(label), files, label)
        )


def _is_non_micro(path: Path) -> bool:
    return any(re.sub(r"[^a-z]", "", part.lower()) == "nonmicro" for part in path.parts)


def _base(path: Path) -> Path:
    """Return the folder that holds the subjects' folders."""
    for parent in path.parents:
        if re.fullmatch(r"s(ub(ject)?)?[ _-]?\d+", parent.name, re.I):
            return parent.parent
    return path.parent


def _camera(base: Path) -> str | None:
    """Return the camera that the nearest folder's name tells."""
    for part in reversed(base.parts):
        words = re.split(r"[^A-Za-z0-9]+", part.upper())
        told = [camera for camera in CAMERAS if camera in words or f"SMIC{camera}" in words]
        if len(told) == 1:
            return told[0]
    return None


def _kind(folder: ClipFolder, base: Path) -> str:
    within = folder.path.relative_to(base).parts
    if any(name.lower().startswith("reg") for name in folder.files):
        return "cropped"
    extended = re.compile(r"smic-?_?(hs|vis|nir)?-?_?e(xtended)?\b|_long$", re.I)
    if "micro" not in [part.lower() for part in within] and any(
        extended.search(part) for part in base.parts
    ):
        return "extended"
    return "raw"


def _choose(
    eligible: dict[tuple[Path, str], list[ClipFolder]], reading: Reading, name: str
) -> tuple[Path, str]:
    """Take cropped before raw before extended, then the fullest, then the shortest path."""
    chosen = min(
        eligible,
        key=lambda key: (KINDS.index(key[1]), -len(eligible[key]), len(key[0].parts), str(key[0])),
    )
    for key in sorted(eligible):
        used = "" if key == chosen else "not used: "
        reading.interpretation.append(
            f"{name}: {used}{key[1]} frames from {key[0]} ({len(eligible[key])} clips)"
        )
    return chosen


def _unique(
    folders: Sequence[ClipFolder], reading: Reading, name: str
) -> dict[ClipKey, ClipFolder]:
    """Index folders by clip; a clip that is there twice is left out and named."""
    keyed = [(clip_key(folder.path.name), folder) for folder in folders]
    counts = Counter(key for key, _ in keyed)
    for key, count in counts.items():
        if count > 1 and key is not None:
            places = [str(folder.path) for other, folder in keyed if other == key]
            reading.note(
                "error", "clip-twice", f"{name}: s{key[0]}_{key[1]}_{key[2]:02d}",
                f"{count} folders: {', '.join(places)}", "one folder", "remove the copies",
            )  # fmt: skip
    return {key: folder for key, folder in keyed if key is not None and counts[key] == 1}


def _read_annotation(
    sheets: Sequence[Path], base: Path, camera: str, reading: Reading, name: str
) -> dict[ClipKey, CodedClip]:
    """Read onsets and offsets of SMIC-E, from the sheet nearest to the frames."""
    wanted = [p for p in sheets if camera in re.split(r"[^A-Z0-9]+", p.name.upper())]
    by_nearness = sorted(wanted, key=lambda p: (-_shared_parts(p, base), str(p)))
    read = partial(read_coding_sheet, required=("subject", "clip", "onset", "offset"))
    for path, rows in readable_sheets(by_nearness, read, reading):
        reading.interpretation.append(f"{name}: annotation sheet {path} ({len(rows)} rows)")
        # Rows name clips s1_ne_01 or s01_ne_01; rows of text below the table have no such name.
        keyed = ((clip_key(row.clip), row) for row in rows)
        return {key: row for key, row in keyed if key is not None}
    reading.note(
        "error", "no-coding-sheet", name, f"the long clips of SMIC-E in {base} without a sheet",
        f"SMIC-{camera}-E_annotation.xlsx with the columns Subject, Filename, OnsetF, OffsetF",
        "copy the sheet into the root, or use SMIC_all, which needs none",
    )  # fmt: skip
    return {}


def _shared_parts(path: Path, base: Path) -> int:
    shared = 0
    for one, other in zip(path.parts, base.parts, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _note_extended(base: Path, found: int, camera: str, reading: Reading, name: str) -> None:
    if camera == "HS":
        reading.note(
            "warning", "smic-e", name, f"SMIC-E ({found} clips) in {base}",
            "SMIC_all (164 clips), which the paper uses; SMIC-E-HS has 157 of them only",
            "take SMIC_all_cropped/HS for the paper's protocol",
        )  # fmt: skip


def _note_absent(
    folders: Sequence[ClipFolder], camera: str, release: str, reading: Reading, name: str
) -> None:
    unplaced = [
        folder
        for folder in folders
        if clip_key(folder.path.name)
        and not _is_non_micro(folder.path)
        and _camera(_base(folder.path)) is None
    ]
    found = f"no folder s<k>_{{ne,po,sur}}_<i> of this camera (release: {release})"
    if unplaced:
        found = (
            f"{len(unplaced)} clips such as {unplaced[0].path} below no folder that tells the "
            "camera"
        )
    reading.note(
        "error", "no-frames", name, found,
        f"SMIC_all_cropped/{camera}/s1/micro/negative/s1_ne_01/ and the like, at any depth",
        f"give the folder that holds {camera} with corpus.root=DIR, or name it {camera}",
    )  # fmt: skip
