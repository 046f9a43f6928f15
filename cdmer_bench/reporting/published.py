"""The figures printed in papers, and how the tables are laid out."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from cdmer_bench.errors import UserError, closest
from cdmer_bench.protocol import card, direction, experiments, rows
from cdmer_bench.results.record import CellRecord

PAPER_DESCRIPTOR = "LBP-TOP(R3P8)"
BASELINE = "Baseline"
AVERAGE = "Average"

# Table II: C is CASME II; H, V and N are the HS, VIS and NIR subsets of SMIC.
DIRECTIONS: Mapping[str, str] = {task.label: direction(task) for task in experiments()}
_METHODS = rows("method")
# Of the paper's own descriptor the row is the Baseline.
_DESCRIPTORS = (BASELINE, *(label for label in rows("descriptor") if label != PAPER_DESCRIPTOR))
_DEEP = (
    BASELINE,
    "TCA",
    *(label for label in _DESCRIPTORS if label.endswith("(Sports1M)")),
    *(str(card("descriptor", f"c3d_fc{layer}_finetune")["label"]) for layer in (1, 2)),
)
_TYPE_I, _TYPE_II = (tuple(t.label for t in experiments(g)) for g in ("type1", "type2"))


@dataclass(frozen=True)
class Layout:
    """Rows, columns and title of one of the paper's tables."""

    number: str  # ``III`` to ``VII``
    title: str
    row_header: str  # heading of the first column
    rows: tuple[str, ...]  # in the paper's order, without the row of averages
    columns: tuple[str, ...]  # labels of tasks, without the column of averages
    compares: str  # ``methods`` or ``descriptors``: what the rows are
    averages: bool = True  # whether the table has a row and a column of averages


_ADAPTATION = "domain adaptation methods"
_SMIC = "source and target are two subsets of SMIC (HS, VIS, NIR)"
_CASME = "source and target are CASME II and one subset of SMIC (HS, VIS, NIR)"
LAYOUTS: Mapping[str, Layout] = {
    layout.number: layout
    for layout in (
        Layout("III", f"{_ADAPTATION}; {_SMIC}", "DA method", _METHODS, _TYPE_I, "methods"),
        Layout("IV", f"{_ADAPTATION}; {_CASME}", "DA method", _METHODS, _TYPE_II, "methods"),
        Layout("V", f"descriptors; {_SMIC}", "Descriptor", _DESCRIPTORS, _TYPE_I, "descriptors"),
        Layout("VI", f"descriptors; {_CASME}", "Descriptor", _DESCRIPTORS, _TYPE_II, "descriptors"),
        Layout(
            "VII",
            "deep descriptors, tuned on SMIC (HS) and not",
            "Descriptor",
            _DEEP,
            ("Exp.1", "Exp.3", "Exp.8"),
            "descriptors",
            averages=False,
        ),
    )
}

_ORDER = list(dict.fromkeys([*_METHODS, PAPER_DESCRIPTOR, *_DESCRIPTORS, *_DEEP, *DIRECTIONS]))


def paper_order(labels: Iterable[str]) -> list[str]:
    """Return each label of a method, descriptor or task once, in the paper's order.

    Variants of a method stand in its place; labels that the paper does not have follow in the
    order given.
    """
    return sorted(dict.fromkeys(labels), key=_place)


def _place(label: str) -> int:
    name = label.partition(" [")[0]
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def sorted_as_paper(records: Iterable[CellRecord]) -> list[CellRecord]:
    """Sort records by task, then method, then descriptor, each in the paper's order."""
    records = list(records)
    tasks = paper_order(r.task_label for r in records)

    def place(r: CellRecord) -> tuple[int, ...]:
        return tasks.index(r.task_label), _place(r.method_label), _place(r.descriptor_label)

    return sorted(records, key=place)


@dataclass(frozen=True)
class Printed:
    """A cell as printed."""

    mean_f1: float  # between 0 and 1; printed to four decimals
    accuracy: float  # in percent; printed to two decimals

    @property
    def parts(self) -> tuple[str, str]:
        """Both as text."""
        return f"{self.mean_f1:.4f}", f"{self.accuracy:.2f}"


Cells = Mapping[tuple[str, str, str], Printed]  # by (table, row, column)


@dataclass(frozen=True)
class Paper:
    """The figures that a paper prints for the twelve experiments."""

    name: str
    title: str
    what: str  # on which features, by which rule
    source: str
    cells: Cells
    settings: Mapping[tuple[str, str, str], dict[str, float]]  # printed beside a cell
    grids: Mapping[str, str]  # of each parameter, in MATLAB's words, such as 1:1:85

    @property
    def own_cells(self) -> Cells:
        """The cells of the rows that are not copied from the benchmark."""
        known = {row for _, row, _ in published()}
        return {place: cell for place, cell in self.cells.items() if place[1] not in known}

    @property
    def own_rows(self) -> list[str]:
        """The rows that are not copied from the benchmark."""
        return list(dict.fromkeys(row for _, row, _ in self.own_cells))


@cache
def published() -> Cells:
    """Return every printed cell of Tables III to VII of the paper of the benchmark."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        return {place: printed for place, printed, _ in _read_cells(file, file.name)}


def later_paper(name: str, config_dir: str | None = None) -> Paper:
    """Read the figures of a later paper, of ``conf/paper`` or the user's own ``paper`` folder.

    A UserError says what is wrong with its file.
    """
    folders = [Path(str(files("cdmer_bench.conf"))), *([Path(config_dir)] if config_dir else [])]
    known = {path.stem: path for folder in folders for path in folder.glob("paper/*.csv")}
    if name not in known:
        raise UserError(f"there is no paper {name!r}; {closest(name, ['paper', *known])}")
    path = known[name]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); save it as CSV in UTF-8") from None
    lines = text.splitlines(keepends=True)
    about = [line[1:].partition(":") for line in lines if line.startswith("#")]
    facts = {key.strip(): text.strip() for key, _, text in about}
    for key in ("title", "what", "source"):
        if not facts.get(key):
            raise UserError(f"{path} does not say its {key}; add a line `# {key}: ...`")
    grids = {k.removeprefix("grid "): v for k, v in facts.items() if k.startswith("grid ")}
    for parameter, stated in grids.items():
        try:
            grid_parts(stated)
        except ValueError:
            raise UserError(
                f"{path} states the grid of {parameter} as {stated!r}; give numbers or "
                "first:step:last with a positive step, with commas between"
            ) from None
    cells: dict[tuple[str, str, str], Printed] = {}
    settings = {}
    first = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    # Later comments become empty lines, so that lines keep their numbers.
    rows = ("\n" if line.startswith("#") else line for line in lines[first:])
    for place, printed, setting in _read_cells(rows, str(path), first):
        table, row, column = place
        if table not in LAYOUTS or column not in (*LAYOUTS[table].columns, AVERAGE):
            raise UserError(
                f"{path} has a cell of Table {table}, {column} ({row}), which the benchmark lacks"
            )
        if place in cells:
            raise UserError(f"{path} has two cells of Table {table}, {row}, {column}; remove one")
        cells[place] = printed
        if setting:
            settings[place] = setting
    return Paper(name, facts["title"], facts["what"], facts["source"], cells, settings, grids)


def grid_parts(stated: str) -> list[tuple[float, float, float]]:
    """Return first, step and last of each part of a grid such as ``1:1:85, 100``."""
    parts = []
    for part in stated.split(","):
        first, *others = (float(number) for number in part.split(":"))
        step, last = others or (1.0, first)
        if not 0 < step < float("inf"):
            raise ValueError(f"the step of {part}")
        parts.append((first, step, last))
    return parts


def _read_cells(
    lines: Iterable[str], path: str, n_before: int = 0
) -> Iterator[tuple[tuple[str, str, str], Printed, dict[str, float]]]:
    """Yield place, figures and setting of each line of a CSV, after ``n_before`` comments."""
    reader = csv.DictReader(lines)
    try:
        for line in reader:
            printed = Printed(float(line["mean_f1"]), float(line["accuracy"]))
            if not (0 <= printed.mean_f1 <= 1 and 0 <= printed.accuracy <= 100):
                raise ValueError(f"{line['mean_f1']} / {line['accuracy']} of {line['row']}")
            if None in line:
                raise ValueError("more fields than columns; put a setting of several in quotes")
            table, row, column = ((line[key] or "").strip() for key in ("table", "row", "column"))
            if not row:
                raise ValueError("no name of the row")
            pairs = (part.partition("=") for part in (line.get("setting") or "").split(",") if part)
            setting = {name.strip(): float(value) for name, _, value in pairs}
            yield (table, row, column), printed, setting
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path}, line {n_before + reader.line_num}, cannot be read "
            f"({type(error).__name__}: {error}); it needs the columns table, row, column, "
            "mean_f1 (0 to 1) and accuracy (percent), and may have setting, such as k = 20"
        ) from None
