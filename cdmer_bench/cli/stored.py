"""Which of the stored results a command shows: `key=value` words, as `cdmer run` takes them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cdmer_bench.cli.arguments import CommandParser
from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError, closest, nearest_neighbour
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore

if TYPE_CHECKING:
    from cdmer_bench.reporting import MissingCell

FILTERS = ("corpus", "task", "method", "descriptor")
_OPTIONS = {"results.dir": "--results", "selection": "--selection"}  # of keys of `cdmer run`


def add_words(parser: CommandParser, choices: Collection[str], what: str) -> None:
    """Add the words that follow a command: what to show, and filters such as task=exp05."""
    words = parser.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help=f"{what}; filters such as corpus=synthetic, task=exp05, task=a/b, method=svm,tca "
        "or descriptor=hog_top_p8",
    )
    words.suggested = [*choices, *(f"{name}=" for name in FILTERS)]  # type: ignore[attr-defined]


def split_words(
    command: str, words: Iterable[str], choices: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    """Part the words of a command into choices, each once, and filters by their names."""
    chosen, filters = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in FILTERS:
            filters[name] = value
        elif equals and name in _OPTIONS:
            raise UserError(f"{name} is a key of `cdmer run`; here it is {_OPTIONS[name]} {value}")
        elif equals:
            raise UserError(f"{word!r} is no filter; {closest(name, FILTERS)}, as in task=exp05")
        elif word in choices:
            chosen.append(word)
        else:
            known = [*choices, *(f"{name}=..." for name in FILTERS)]
            raise UserError(
                f"{word!r} is not a choice for `cdmer {command}`; "
                f"{closest(f'{name}=...' if equals else word, known)}"
            )
    return list(dict.fromkeys(chosen)), filters


def choose_records(
    folder: str,
    corpus: str | None,
    filters: Mapping[str, str] | None = None,
    wanted: Callable[[CellRecord], bool] = lambda record: True,
) -> list[CellRecord]:
    """Load the current records of one corpus, in the paper's order.

    By default that is the corpus of the newest record that is ``wanted``.
    """
    from cdmer_bench.reporting.published import sorted_as_paper
    from cdmer_bench.results.current import current, current_failures

    store = ResultsStore(folder)
    records = current(store)
    if not records and (failures := current_failures(store, records)):
        first = failures[0]
        raise UserError(
            f"{folder} holds no finished cell, and {len(failures)} failed, the first of them "
            f"{first['method_label']} on {first['task_label']}: {first['error']}; run them again"
        )
    if not records:
        raise UserError(
            f"{folder} holds no finished cell; {nearest_neighbour(Path(folder))}run one first, "
            "such as `cdmer run method=svm task=all`, or name another folder with --results"
        )
    filters = dict(filters or {})
    chosen = _corpus_of(records, filters.pop("corpus", None) or corpus, wanted, folder)
    records = [record for record in records if record.corpus == chosen]
    return sorted_as_paper(filtered(records, filters))


def _corpus_of(
    records: list[CellRecord],
    asked: str | None,
    wanted: Callable[[CellRecord], bool],
    folder: str,
) -> str:
    """Return the corpus to show: the one asked for, or that of the newest record wanted."""
    newest = sorted(records, key=lambda r: str(r.about.get("date", "")), reverse=True)
    corpora = list(dict.fromkeys(record.corpus for record in newest))
    # `synthetic` stands for `synthetic, seed 0` as well.
    named = [c for c in corpora if asked in (None, c)] or [
        c for c in corpora if asked == c.partition(",")[0]
    ]
    if not named:
        raise UserError(
            f"{folder} has no results of the corpus {asked!r}; {closest(asked, corpora)}"
        )
    fitting = (r.corpus for r in newest if r.corpus in named and wanted(r))
    chosen = next(fitting, named[0])
    if len(named) > 1:
        others = ", ".join(repr(c) for c in named if c != chosen)
        say(f"showing corpus {chosen!r}; there are results of {others} too (--corpus)")
    return chosen


def filtered(records: list[CellRecord], filters: Mapping[str, str]) -> list[CellRecord]:
    """Return the records that ``method=svm,tca``, ``task=a/b`` and others stand for in a run."""
    for name, value in filters.items():
        kept: set[int] = set()
        for one in (text.strip() for text in value.strip("[]").split(",")):
            wanted = _members(name, one)
            found = [r for r in records if one == "all" or not wanted.isdisjoint(_names(r, name))]
            if not found:
                known = sorted({_names(record, name)[0] for record in records})
                raise UserError(f"there is no result with {name}={one}; {closest(one, known)}")
            kept |= set(map(id, found))
        records = [record for record in records if id(record) in kept]
    return records


def _names(record: CellRecord, what: str) -> list[str]:
    """Return the words for a record's method, task or descriptor, the usual one first."""
    names = [getattr(record, what), getattr(record, f"{what}_label")]
    if what == "task":
        pair = f"{record.source}/{record.target}"
        return [pair, *names] if "__" in record.task else [*names, pair]
    return [*names, record.row] if what == "method" else names


def _members(group: str, name: str) -> set[str]:
    """Return what a name such as ``type1`` stands for, and the name itself."""
    from cdmer_bench.protocol import members

    try:
        return {name, *members(group, name)}
    except (OSError, ValueError):
        return {name}


def recorded_failures(
    folder: str, records: list[CellRecord], filters: Iterable[str] = ()
) -> "list[MissingCell]":
    """Return the cells of the records' corpus that failed and have no record since.

    Of the names in ``filters`` only those whose labels are among the records'.
    """
    from cdmer_bench.reporting import MissingCell
    from cdmer_bench.results.current import current_failures

    labels = ("task_label", "method_label", "descriptor_label")
    kept = {
        f"{name}_label": {getattr(record, f"{name}_label") for record in records}
        for name in filters
        if name != "corpus"
    }
    return [
        MissingCell(
            *(failure[name] for name in labels),
            f"{'refused' if failure.get('user_error') else 'failed'}: {failure['error']}",
        )
        for failure in current_failures(ResultsStore(folder), records)
        if failure["corpus"] == records[0].corpus
        and all(failure[name] in known for name, known in kept.items())
    ]
