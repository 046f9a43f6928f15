"""The scores table: a row for each current cell and selection rule.

Tables, pictures, statistics, the report and exports are built on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cdmer_bench.errors import UserError, nearest_neighbour
from cdmer_bench.evaluation.selection import NotRecorded, Rule, rule
from cdmer_bench.protocol import CLASSES, card, composition, experiments
from cdmer_bench.results.current import current, current_failures
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("source", "target")
SUFFIXES = (".csv", ".json", ".parquet")

Selection = str | Rule | Sequence[str | Rule]

# What the record says of its cell.
_OF_RECORD = (
    *("corpus", "synthetic", "task", "task_label", "source", "target", "method", "method_label"),
    *("variant", "row", "descriptor", "descriptor_label", "grid", "solver"),
)
_COUNTS = ("n_settings", "n_undefined", "n_target")
_FIGURES = ("mean_f1", "accuracy")
_TIMES = ("seconds", "wall_seconds")
COLUMNS = (
    *(*_OF_RECORD, "selection", "setting", *_COUNTS, *_FIGURES, "converged", *_TIMES, "reason"),
    *("status", "source_title", "target_title", "source_remarks", "target_remarks"),
    *("descriptor_note", "key"),
)
# What a row says where there is no figure.
_NO_FIGURE = {
    **dict.fromkeys(COLUMNS, ""),
    **dict.fromkeys(_COUNTS, 0),
    **dict.fromkeys((*_FIGURES, *_TIMES), np.nan),
    "synthetic": False,
    "converged": True,
}
_OF_PREDICTIONS = (
    *("corpus", "task", "task_label", "source", "target", "method", "row", "descriptor"),
    *("selection", "setting", "clip", "clip_name", "subject", "true", "predicted"),
)


def load_scores(folder: str | Path, selection: Selection = "oracle") -> "pd.DataFrame":
    """Return the scores of a results folder, one row for each cell and selection rule.

    Only current results are there: a cell that was run again, with newer code or features, is
    there once. A cell that failed, or whose rule lacks its input, has a row without a figure.

    Parameters
    ----------
    folder : str or Path
        The results folder of ``cdmer run``.
    selection : str, Rule or sequence of them
        The rules that choose the setting; by default the paper's.

    Returns
    -------
    pandas.DataFrame
        With the columns

        ``corpus, synthetic``
            Where the databases came from; whether one of them is generated.
        ``task, task_label, source, target``
            ``exp05``, ``Exp.5`` and the keys of its databases.
        ``method, method_label, variant, row``
            ``tca``, ``TCA``, what tells variants of a method apart and the label of its row with
            it: ``reduced grid``, ``TCA [reduced grid]``.
        ``descriptor, descriptor_label``
            ``lbp_top_r3p8`` and ``LBP-TOP(R3P8)``.
        ``grid, solver``
            ``paper``, ``reduced`` or ``own``; ``paper`` or ``exact`` for methods with both.
        ``selection``
            The rule that chose the setting.
        ``setting, n_settings, n_undefined``
            The chosen setting as text, how many there were, and at how many of these the rule
            is undefined.
        ``n_target``
            Clips of the target.
        ``mean_f1, accuracy``
            Between 0 and 1, and in percent; NaN without a figure.
        ``converged``
            False if an iteration limit ended the solver at the chosen setting.
        ``seconds, wall_seconds``
            Computing time of the cell with its whole grid, and the time that passed.
        ``reason, status``
            Why there is no figure, else empty; ``done``, ``failed`` or ``refused``.
        ``source_title, target_title, source_remarks, target_remarks``
            Titles of the databases, and what a reader must know of them: counts of clips that
            are not those of Table I, classes without a clip, errors that were ignored.
        ``descriptor_note, key``
            How the descriptor was tuned; the key of the record.

    Raises
    ------
    UserError
        If the folder holds no results, or there is no such rule.

    Examples
    --------
    >>> scores = load_scores("results")  # doctest: +SKIP
    >>> scores.pivot(index="row", columns="task_label", values="mean_f1")  # doctest: +SKIP
    """
    rules, store = rules_of(selection), _store(folder)
    records = current(store)
    # A cell that failed after it had a result keeps the row of that.
    failures = [f for f in current_failures(store, records) if not f["earlier"]]
    return score_records(records, rules, failures)


def load_predictions(folder: str | Path, selection: Selection = "oracle") -> "pd.DataFrame":
    """Return the predictions of each chosen setting, one row for each clip of the target.

    Parameters
    ----------
    folder : str or Path
        The results folder of ``cdmer run``.
    selection : str, Rule or sequence of them
        The rules that choose the setting.

    Returns
    -------
    pandas.DataFrame
        With the columns ``corpus, task, task_label, source, target, method, row, descriptor,
        selection, setting``, as in :func:`load_scores`, and ``clip`` (its place in the target,
        from 0), ``clip_name`` and ``subject`` (empty if unknown), ``true`` and ``predicted``
        (names of classes).

    Raises
    ------
    UserError
        If the folder holds no results, or there is no such rule.
    """
    import pandas as pd

    rules, parts = rules_of(selection), [pd.DataFrame(columns=list(_OF_PREDICTIONS))]
    for record in current(_store(folder)):
        for chosen in rules:
            with suppress(NotRecorded):
                parts.append(_predictions(record, chosen))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def score_records(
    records: Iterable[CellRecord],  # current ones
    selection: Selection = "oracle",
    failures: Iterable[Mapping[str, Any]] = (),  # labels, corpus and error of cells without one
) -> "pd.DataFrame":
    """Return the scores table of records in memory; see :func:`load_scores`."""
    import pandas as pd

    rules = rules_of(selection)
    rows = [_score(record, chosen) for record in records for chosen in rules]
    rows += [_failed(failure, chosen) for failure in failures for chosen in rules]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    generated = table.loc[table["synthetic"].astype(bool), "corpus"]
    table["synthetic"] = table["corpus"].isin(generated)
    types = dict.fromkeys(_COUNTS, "int64") | dict.fromkeys((*_FIGURES, *_TIMES), "float64")
    return table.astype({**types, "converged": bool})


def rows_of(table: "pd.DataFrame") -> list[Any]:
    """Return the rows of a table as named tuples."""
    return list(table.itertuples())


def pack_table(
    table: "pd.DataFrame",
    suffix: str,  # ``.csv``, ``.json`` (a list of objects) or ``.parquet``
) -> bytes:
    """Return a table as the content of a file."""
    if suffix == ".csv":
        return table.to_csv(index=False).encode()
    if suffix == ".json":
        return (
            table.to_json(orient="records", indent=1, force_ascii=False, double_precision=15) + "\n"
        ).encode()
    try:
        return bytes(table.to_parquet(index=False))
    except ImportError:
        raise UserError(
            "pyarrow is missing, which writes Parquet; pip install pyarrow, or choose .csv"
        ) from None


def rules_of(selection: Selection) -> list[Rule]:
    """Return the rules of a selection, which may be one or several."""
    several = [selection] if isinstance(selection, str | Rule) else selection
    return [rule(name) for name in several]


def database_title(record: CellRecord, side: str) -> str:
    """Return the title of a cell's ``source`` or ``target``."""
    database = getattr(record, side)
    title = record.used.get(side, {}).get("title")
    if title is None and _is_of_the_paper(database):
        title = card("database", database)["title"]
    return str(title or database)


def remarks(record: CellRecord, side: str) -> list[str]:
    """Say what a reader must know of a cell's ``source`` or ``target``, or nothing.

    That is counts of clips other than those of Table I or than expected, with the findings about
    the data then, classes with fewer than two clips, errors that the user chose to ignore,
    samples that are in the source as well, and in what it differs from newer results that it is
    compared with.
    """
    used, title = record.used.get(side, {}), database_title(record, side)
    y = record.y_source if side == "source" else record.y_target
    counts = {name: int((y == index).sum()) for index, name in enumerate(record.classes)}
    found = []
    expected = used.get("n_expected")
    if _is_of_the_paper(getattr(record, side)) and record.classes == CLASSES:
        composed = composition(getattr(record, side))
        if tuple(counts.values()) != composed:
            here, there = ("/".join(map(str, n)) for n in (counts.values(), composed))
            found.append(
                f"{title} has {len(y)} clips ({here}) where Table I has {sum(composed)} ({there})"
            )
    elif expected is not None and expected != len(y):
        found.append(f"{title} has {len(y)} of {expected} clips")
    findings = {kind: n for kind, n in used.get("findings", {}).items() if n}
    if found and findings:
        listed = ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in findings.items())
        found[0] += f"; `cdmer data check` lists {listed}"
    if record.errors_ignored and findings.get("error"):
        found.append(f"errors in the data of {title} were ignored (data.errors=ignore)")
    found += class_remarks(side, title, counts)
    told = [*used.get("remarks", ()), *filter(None, [used.get("shared")])]
    found += [f"{title}: {text}" for text in told]
    found += record.differs if side == "target" else ()
    return [f"{sentence[0].upper()}{sentence[1:]}." for sentence in found]


def each_once(texts: Iterable[str]) -> list[str]:
    """Return remarks on several cells without those whose sentences another remark holds too."""
    told = list(dict.fromkeys(filter(None, texts)))
    return [t for t in told if not any(t != other and f". {t} " in f". {other} " for other in told)]


def class_remarks(side: str, title: str, counts: Mapping[str, int]) -> list[str]:
    """Say which classes a side of a task lacks, or has a single clip of."""
    found = []
    most = sum(count > 0 for count in counts.values()) / len(counts)
    for name, count in counts.items():
        if count == 0 and side == "target":
            found.append(
                f"the target {title} has no clip of the class {name}, whose F1 is then 0: mean F1 "
                f"is at most {most:.4f}"
            )
        elif count < 2:
            how_many = "one clip" if count else "no clip"
            found.append(f"the {side} {title} has {how_many} of the class {name}")
    return found


def _is_of_the_paper(database: str) -> bool:
    return any(database == task.source for task in experiments())


def setting_text(setting: Mapping[str, Any]) -> str:
    """Return a setting as ``k = 20, mu = 0.1``."""
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in setting.items()
    )


def _store(folder: str | Path) -> ResultsStore:
    store = ResultsStore(folder)
    if not any((store.folder / name).is_dir() for name in ("cells", "failures")):
        raise UserError(
            f"{folder} holds no results; {nearest_neighbour(Path(folder))}name a folder that "
            "`cdmer run` wrote to"
        )
    return store


def _score(record: CellRecord, chosen: Rule) -> dict[str, Any]:
    row: dict[str, Any] = {
        **{name: getattr(record, name) for name in (*_OF_RECORD, "key")},
        **{f"{side}_title": database_title(record, side) for side in SIDES},
        **{f"{side}_remarks": " ".join(remarks(record, side)) for side in SIDES},
        **{name: record.about.get(name, np.nan) for name in _TIMES},
        "descriptor_note": str(record.about.get("descriptor_note", "")),
        "selection": chosen.name,
        "n_settings": len(record.settings),
        "n_target": len(record.y_target),
        "status": "done",
    }
    try:
        selected = chosen.choose(record)
    except NotRecorded as lack:
        return {**_NO_FIGURE, **row, "reason": lack.short}
    return {
        **row,
        **record.figures(selected.index),
        "setting": setting_text(record.settings[selected.index]),
        "n_undefined": selected.n_undefined,
        "converged": bool(record.converged[selected.index]),
        "reason": "",
    }


def _failed(failure: Mapping[str, Any], chosen: Rule) -> dict[str, Any]:
    status = "refused" if failure.get("user_error") else "failed"
    return {
        **_NO_FIGURE,
        **{name: value for name, value in failure.items() if name in COLUMNS},
        "row": failure["method_label"],
        "selection": chosen.name,
        "status": status,
        "reason": f"{status}: {failure['error']}",
    }


def _predictions(record: CellRecord, chosen: Rule) -> "pd.DataFrame":
    import pandas as pd

    index, classes = chosen.select(record), np.array(record.classes)
    n = len(record.y_target)
    own = {
        "selection": chosen.name,
        "setting": setting_text(record.settings[index]),
        "clip": np.arange(n),
        "clip_name": np.full(n, "") if record.clips_target is None else record.clips_target,
        "subject": np.full(n, "") if record.subject_target is None else record.subject_target,
        "true": classes[record.y_target],
        "predicted": classes[record.predictions[index]],
    }
    return pd.DataFrame({c: own[c] if c in own else getattr(record, c) for c in _OF_PREDICTIONS})
