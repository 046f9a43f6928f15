"""Results without the data: one file to publish, and what is checked of another's.

A ZIP holds the current cells: every setting's predictions by clip, the setting that each rule
chose with its figures, content hashes of the features, and versions. It holds nothing derived from
frames but the predictions: no features, no decision values, no paths, no commands.

An archive comes from a stranger. Only the files that it should hold are read, never more than
half of the memory, without pickle; whatever else is in it is refused.
"""

import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError, fits
from cdmer_bench.evaluation.selection import RULES, NotRecorded, rule
from cdmer_bench.io import (
    check_archive_size,
    check_size,
    content_key,
    pack_arrays,
    user_path,
    visible,
)
from cdmer_bench.results.record import CellRecord, record_of

FORMAT = 1
_MEMBER = re.compile(r"cells/\d{5}/(record\.json|grid\.npz)|manifest\.json")
_TEXTS = ("key", "task", "task_label", "source", "target", "method", "method_label",
          "descriptor", "descriptor_label", "corpus", "grid", "solver")  # fmt: skip
# What its content holds, as type hints.
_SIDE = {"database": str, "title": str, "features": str, "n_clips": int, "n_expected": int | None,
         "class_counts": dict[str, int], "findings": dict[str, int], "remarks": list[str],
         "shared": str}  # fmt: skip
_ABOUT = {"versions": dict, "date": str, "seconds": float, "wall_seconds": float,
          "n_features": int, "descriptor_note": str}  # fmt: skip
_FIGURE = {"setting": int, "mean_f1": float, "accuracy": float}
_CELL = {**dict.fromkeys(_TEXTS, str), "format": int, "synthetic": bool, "errors_ignored": bool,
         "classes": list[str], "parameters": dict, "settings": list[dict], "notes": dict[str, str],
         "about": _ABOUT, "used": {"source": _SIDE, "target": _SIDE},
         "figures": dict.fromkeys(RULES, _FIGURE)}  # fmt: skip
_ARRAYS = ("key", "predictions", "y_target", "y_source", "converged", "iterations")
_NAMES = ("subject_target", "clips_target")  # arrays of texts, one for each target clip


def pack(records: Sequence[CellRecord]) -> bytes:
    """Return the archive of records; the same records give the same bytes."""
    if not records:
        raise UserError("there is no result to pack; run something first")
    members: dict[str, bytes] = {}
    for number, record in enumerate(records):
        told = {name: record.about[name] for name in _ABOUT if name in record.about}
        plain = replace(record, scores=None, extras={}, about=told)
        content = {**plain.content(), "figures": figures(record)}
        members[f"cells/{number:05d}/record.json"] = json.dumps(content, sort_keys=True).encode()
        members[f"cells/{number:05d}/grid.npz"] = pack_arrays(plain.arrays())
    files = _checksums(members)
    manifest = {"format": FORMAT, "files": files, "sha256": content_key(files)}
    members = {"manifest.json": json.dumps(manifest, indent=1).encode(), **members}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def figures(record: CellRecord) -> dict[str, dict[str, float | int]]:
    """Return by each rule that has its inputs the chosen setting, mean F1 and accuracy."""
    found: dict[str, dict[str, float | int]] = {}
    for name in RULES:
        with suppress(NotRecorded, UserError):
            index = rule(name).select(record)
            found[name] = {"setting": index, **_rounded(record, index)}
    return found


def _rounded(record: CellRecord, index: int) -> dict[str, float]:
    return {name: round(value, 10) for name, value in record.figures(index).items()}


def read(path: Path) -> list[tuple[CellRecord, dict[str, Any]]]:
    """Read an archive: each record, and the figures that the archive gives for it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
        grids = {name: data for name, data in members.items() if name.endswith("grid.npz")}
        held = [zipfile.ZipFile(io.BytesIO(data)).infolist() for data in grids.values()]
        check_size(sum(info.file_size for infos in held for info in infos), path)
        names = sorted(members.keys() - grids.keys())
        return [_cell(members[n], grids[n.replace("record.json", "grid.npz")]) for n in names]
    except FileNotFoundError:
        raise UserError(f"{path} is not there; name the file of a `cdmer results pack`") from None
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib, json and numpy each raise their own kinds
        raise UserError(
            f"{path} is refused: it is no whole archive of this version ({error}); ask for a file "
            "of `cdmer results pack`"
        ) from None


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    """Read every member whose name, size and checksum are as they should be."""
    names = [info.filename for info in archive.infolist()]
    for name, times in Counter(names).items():
        if not _MEMBER.fullmatch(name) or times > 1:
            raise ValueError(f"it holds {visible(name)[:80]!r}, or holds it twice")
    check_archive_size(archive, path)
    members = {}
    for info in archive.infolist():
        with archive.open(info) as file:
            members[info.filename] = file.read(info.file_size + 1)
        if len(members[info.filename]) != info.file_size:
            raise ValueError(f"{info.filename} is not as long as the archive says")
    manifest = json.loads(members.pop("manifest.json"))
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']}, expected {FORMAT}")
    if manifest["files"] != _checksums(members):
        raise ValueError("its checksums do not fit its files")
    return members


def _checksums(members: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}


def _cell(content: bytes, arrays: bytes) -> tuple[CellRecord, dict[str, Any]]:
    cell = _shown(json.loads(content))
    if not fits(cell, _CELL):
        raise ValueError("a cell holds what no run stores")
    said = cell.pop("figures")
    if "oracle" not in said:
        raise ValueError("it holds no figures of the oracle")
    with np.load(io.BytesIO(arrays), allow_pickle=False) as archive:
        if not set(archive.files) <= {*_ARRAYS, *_NAMES}:
            raise ValueError(f"it holds arrays that no cell has: {archive.files}"[:200])
        held = {name: archive[name] for name in archive.files}
    record = record_of(cell, held)
    _check(record)
    names: dict[str, Any] = {name: " ".join(getattr(record, name).split()) for name in _TEXTS}
    return replace(record, **names), said


def _shown(value: Any) -> Any:
    """Return plain JSON content whose texts can be printed."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {visible(name): _shown(item) for name, item in value.items()}
    return value


def _check(record: CellRecord) -> None:
    """Refuse parts of other types and shapes than a run's."""
    n_settings, n_target = len(record.settings), len(record.y_target)
    shapes = {
        "y_target": (n_target,), "y_source": (len(record.y_source),),
        "predictions": (n_settings, n_target), "converged": (n_settings,),
        "iterations": (n_settings,),
    }  # fmt: skip
    for name, shape in shapes.items():
        array: NDArray = getattr(record, name)
        if array.shape != shape or array.dtype.kind not in "bui" or not array.size:
            raise ValueError(f"{name} has the shape {array.shape} and type {array.dtype}")
    for name in ("y_target", "y_source", "predictions"):
        array = getattr(record, name)
        if array.min() < 0 or array.max() >= len(record.classes):
            raise ValueError(f"{name} holds the index of a class that does not exist")
    for name in _NAMES:
        texts: NDArray | None = getattr(record, name)
        if texts is not None and (texts.shape != (n_target,) or texts.dtype.kind != "U"):
            raise ValueError(f"{name} has the shape {texts.shape} and type {texts.dtype}")
    if not re.fullmatch("[0-9a-f]{64}", record.key):
        raise ValueError("the key of a record is not a SHA-256")
    if not all(0 <= index < n_settings for index in record.notes):
        raise ValueError("a note belongs to no setting")


def verify(
    path: Path,
    own: Sequence[CellRecord],  # the user's records, whose features may be of the same data
) -> tuple[list[str], int]:
    """Recompute every figure of an archive, and compare its data with one's own results."""
    packed, lines, n_figures = read(path), [], 0
    for record, said in packed:
        n_figures += len(said)
        for name, told in said.items():
            if problem := _wrong(record, name, told):
                who = f"{record.task_label} {record.method_label} {record.descriptor_label}"
                lines.append(f"{who}, {name}: {problem}")
    wrong = len(lines)
    lines.append(
        f"{path}: {len(packed)} cells, {n_figures} figures recomputed from the predictions, "
        + (f"{wrong} of them differ" if wrong else "all equal")
    )
    return lines + _compared([record for record, _ in packed], own), wrong


def _wrong(record: CellRecord, name: str, told: Mapping[str, Any]) -> str:
    """Say what is wrong with a figure, or nothing."""
    index = told.get("setting")
    if not isinstance(index, int) or not 0 <= index < len(record.settings):
        return f"there is no setting {index!r}"
    for measure, value in _rounded(record, index).items():
        if told.get(measure) != value:
            return f"{measure} is {told.get(measure)!r}, but the predictions give {value}"
    # A packed record has what some rules need, such as the oracle; the choice of others is taken.
    chosen = figures(record).get(name, {}).get("setting", index)
    if index != chosen:
        who = "the oracle" if name == "oracle" else f"the rule {name}"
        return f"setting {index} is not the one that {who} chooses"
    return ""


def _compared(packed: Sequence[CellRecord], own: Sequence[CellRecord]) -> list[str]:
    """Say of each database and descriptor whether one's own features have the same content."""

    def contents(records: Sequence[CellRecord]) -> dict[tuple[str, str], str]:
        return {
            (str(side.get("title")), record.descriptor_label): str(side.get("features"))
            for record in records
            for side in record.used.values()
        }

    mine, lines = contents(own), []
    for place, sha256 in contents(packed).items():
        said = (
            "the same content as yours" if mine.get(place) == sha256 else "other content than yours"
        )
        if place not in mine:
            said = "none of your own here to compare with"
        lines.append(visible(f"{', '.join(place)}: {said} ({sha256[:12]})"))
    return lines


def beside(path: str, own: Sequence[CellRecord]) -> list[CellRecord]:
    """Return the records of an archive, as rows that are named by its file."""
    name = visible(Path(path).stem)
    return [
        replace(
            r,
            variant=f"{r.variant}, {name}" if r.variant else name,
            key=f"{r.key} {name}",
            differs=tuple(_other_data(r, own, path)),
            # They do not count as older than one's own because of these.
            used={side: {**used, "features": ""} for side, used in r.used.items()},
        )
        for r, _ in read(user_path(path))
    ]


def _other_data(record: CellRecord, own: Sequence[CellRecord], path: str) -> Iterator[str]:
    """Say of which databases a record has other features than one's own results."""
    place = record.corpus, record.descriptor_label
    mine = [
        used for r in own if (r.corpus, r.descriptor_label) == place for used in r.used.values()
    ]
    for used in record.used.values():
        held = {u.get("features") for u in mine if u.get("database") == used.get("database")}
        if held and used.get("features") not in held:
            yield (
                f"{used.get('title')} has other features ({record.descriptor_label}) in {path} "
                "than in your results"
            )
