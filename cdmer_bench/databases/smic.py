"""SMIC as it lies on users' disks: HS, VIS and NIR, cropped, raw, and the extended SMIC-E.

A clip is a folder ``s<k>_{ne,po,sur}_<i>``, whose name gives subject and class. In SMIC_all it
holds the frames from onset to offset; in SMIC-E it holds more, and the annotation sheet says where
onset and offset are. ``non_micro`` folders are passed over.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cdmer_bench.databases.coding_sheet import (
    HEADINGS,
    CodedClip,
    CodingSheet,
    read_coding_sheets,
)
from cdmer_bench.databases.reader import LAYOUTS, Reader
from cdmer_bench.databases.releases import Cut, Found, Key, Release, cut_release, recognise

CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}
CAMERAS = ("HS", "VIS", "NIR")
CLIP = re.compile(LAYOUTS["smic_hs"].clip, re.I)
_EXTENDED = re.compile(r"smic[ _-]?((hs|vis|nir)[ _-]?)?e(xtended)?([ _-]|$)|[ _-]long$", re.I)


class Smic(Reader):
    """One camera of SMIC: folders tell the clips, and a sheet, if there is one, cuts them."""

    def find(self) -> None:
        """Recognise the clips of this camera, with or without images, and those of no camera."""
        for folder in self.folders:
            one = recognise(folder, CLIP)
            passed = any(re.sub(r"[^a-z]", "", p.lower()) == "nonmicro" for p in folder.parts)
            if one is not None or passed:
                self.reading.known.add(folder.path)
            if one is not None and not passed:
                told = self.told(folder.parts)
                if told in (self.layout.name, None):
                    lists = self.found if told else self.lost
                    lists.append(replace(one, key=_key(one.key[1])))

    def told(self, parts: Sequence[str]) -> str | None:
        """Return the camera that the nearest folder's name tells."""
        for part in reversed(parts):
            words = set(re.split(r"[^A-Za-z0-9]+", part.upper()))
            told = [camera for camera in CAMERAS if {camera, f"SMIC{camera}"} & words]
            if len(told) == 1:
                return f"smic_{told[0].lower()}"
        return None

    def kind(self, members: Sequence[Found]) -> str:
        """Tell extended recordings by the names of folders."""
        first = members[0]
        in_micro = "micro" in [part.lower() for part in first.parts]
        extended = not in_micro and any(_EXTENDED.search(part) for part in first.base)
        return "extended" if extended else super().kind(members)

    def read_sheets(self, path: Path) -> list[CodingSheet]:
        """Read an annotation sheet, which may have columns for each camera."""
        camera = self.layout.camera.lower()
        own = {role: (f"{role}f{camera}", *HEADINGS[role]) for role in ("onset", "offset")}
        required = ("subject", "clip", "onset", "offset")
        return read_coding_sheets(path, self.choices.worksheet, own, required)

    def fits(self, sheet: CodingSheet, parts: Sequence[str]) -> bool:
        """Tell whether a sheet is of this camera; its rows get the names and classes of clips."""
        rows = [(row, key) for row in sheet.rows if (key := _key(row.clip))[1]]
        sheet.rows = [replace(row, subject=str(key[0]), clip=key[1]) for row, key in rows]
        sheet.settle_repeated(False)
        sheet.rows = [replace(row, emotion=_class_of(row.clip)) for row in sheet.rows]
        told = self.told([*parts, sheet.worksheet])
        if told is None and f"onsetf{self.layout.camera.lower()}" in sheet.headings:
            told = self.layout.name
        return bool(sheet.rows) and (told == self.layout.name or bool(self.choices.sheet))

    def rank(self, sheet: CodingSheet) -> tuple[object, ...]:
        """Prefer the sheet that lies nearest to the frames."""
        near = self.found[0].path.parts if self.found else ()
        shared = sum(a == b for a, b in zip(sheet.path.parts, near, strict=False))
        return -shared, str(sheet)

    def rows(self) -> list[CodedClip]:
        """Return a row for each folder and row, as the features that were released are ordered."""
        coded = {row.key: row for row in self.sheet.rows} if self.sheet else {}
        keys = {key for release in self.releases for key in release.folders} | set(coded)
        keys |= {one.key for one in self.found if not one.files}
        tokens = list(CLASSES)

        def order(key: Key) -> tuple[int, int, str]:
            return key[0] or 0, tokens.index(key[1].split("_")[1]), key[1]

        return [
            coded.get(key) or CodedClip(str(key[0]), key[1], None, None, None, _class_of(key[1]), 0)
            for key in sorted(keys, key=order)
        ]

    def cut(self, release: Release, rows: Sequence[CodedClip]) -> list[Cut]:
        """Cut every clip by its row of the annotation sheet; without one, take its folder whole."""
        most = self.layout.longest
        cuts = cut_release(release, rows, self.title, True, None)
        for cut in cuts:
            if cut.found is None:
                continue
            frames = cut.found.frames
            outside = "frames-outside-coding" in [one.code for one in cut.findings]
            in_micro = "micro" in [part.lower() for part in cut.found.parts]
            if cut.row.row and outside and in_micro and len(frames) <= most:
                # SMIC_all beside the sheet of SMIC-E, whose frames may count from another number.
                cut.findings = []
                cut.take_whole(frames)
                span = f"frames {frames[0][0]} to {frames[-1][0]}"
                cut.note("sheet-differs", span=span, coded=cut.coded)
            elif not cut.row.row and release.kind == "extended":
                cut.note("frames-without-label/smic-e")
            elif not cut.row.row and len(cut.frames) > most:
                cut.note("clip-too-long", n=len(cut.frames), most=most)
        return cuts

    def remark(self, taken: Release) -> None:
        """Say what SMIC-E lacks."""
        said = {"n": len(taken.folders), "place": taken.place, "camera": self.layout.camera}
        if taken.kind == "extended" and self.sheet is None:
            self.note("no-coding-sheet/smic-e", **said)
        if taken.kind == "extended" and self.layout.camera == "HS":
            self.note("smic-e", **said)


def _key(name: str) -> Key:
    """Identify ``s01_ne_3`` as ``(1, 's1_ne_03')``; a name of another form as ``(None, '')``."""
    told = CLIP.fullmatch(name.strip())
    if told is None:
        return None, ""
    subject = int(told["subject"])
    return subject, f"s{subject}_{told['token'].lower()}_{int(told['count']):02d}"


def _class_of(clip: str) -> str:
    return CLASSES[clip.split("_")[1]]
