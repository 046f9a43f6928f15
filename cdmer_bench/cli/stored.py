"""Which of the stored results a command shows: `key=value` words, as `cdmer run` takes them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdmer_bench.cli.arguments import Option, option
from cdmer_bench.cli.console import say
from cdmer_bench.errors import UserError, closest, nearest_neighbour
from cdmer_bench.protocol import card, members
from cdmer_bench.results.current import current, current_failures
from cdmer_bench.results.record import CellRecord
from cdmer_bench.results.store import ResultsStore

if TYPE_CHECKING:
    from cdmer_bench.reporting import MissingCell

FILTERS = ("corpus", "task", "method", "descriptor")


def words_option(choices: Collection[str], what: str) -> Option:
    """Describe the words of a command: what to show, and filters such as task=exp05."""
    return option(
        "words",
        nargs="*",
        metavar="WORD",
        help=f"{what}; filters such as corpus=synthetic, task=exp05, task=a/b, method=svm,tca "
        "or descriptor=hog_top_p8",
        suggested=[*choices, *(f"{name}=" for name in FILTERS)],
    )


def split_words(
    command: str, words: Iterable[str], choices: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    """Split the words of a command into choices, each once, and filters by their names."""
    chosen, filters = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in FILTERS:
            filters[name] = value
        elif equals:
            raise UserError(f"{word!r} is no filter; {closest(name, FILTERS)}, as in task=exp05")
        elif word in choices:
            chosen.append(word)
        else:
            known = [*choices, *(f"{name}=..." for name in FILTERS)]
            raise UserError(
                f"{word!r} is not a choice for `cdmer {command}`; {closest(word, known)}"
            )
    return list(dict.fromkeys(chosen)), filters


def choose_results(
    folder: str,
    corpus: str | None,
    filters: Mapping[str, str] | None = None,
    wanted: Callable[[CellRecord], bool] = lambda record: True,
) -> "tuple[list[CellRecord], list[MissingCell]]":
    """Load the current records of one corpus, in the paper's order, and the failures that stand.

    By default that is the corpus of the newest record that is ``wanted``.
    """
    from cdmer_bench.reporting import MissingCell
    from cdmer_bench.reporting.published import sorted_as_paper

    store = ResultsStore(folder)
    records = current(store)
    failures = current_failures(store, records)
    filters = dict(filters or {})
    asked = filters.pop("corpus", None) or corpus
    if records:
        newest = sorted(records, key=lambda r: str(r.about.get("date", "")), reverse=True)
        named = named_corpora((record.corpus for record in newest), asked, folder)
        chosen = next((r.corpus for r in newest if r.corpus in named and wanted(r)), named[0])
        if len(named) > 1:
            others = ", ".join(repr(name) for name in named if name != chosen)
            say(f"showing corpus {chosen!r}; there are results of {others} too (corpus=NAME)")
        records = [record for record in records if record.corpus == chosen]
        failures = [failure for failure in failures if failure["corpus"] == chosen]
        cells = matching([*records, *failures], filters)
        records = [cell for cell in cells if isinstance(cell, CellRecord)]
        failures = [cell for cell in cells if isinstance(cell, dict)]
    if not records and failures:
        first, of = failures[0], " and".join(f" {name}={one}" for name, one in filters.items())
        raise UserError(
            f"{folder} holds no finished cell{of and ' of'}{of}, and {len(failures)} failed, the "
            f"first of them {first['method_label']} on {first['task_label']}: {first['error']}; "
            "run them again"
        )
    if not records:
        raise UserError(
            f"{folder} holds no finished cell; {nearest_neighbour(Path(folder))}run one first, "
            "such as `cdmer run method=svm task=all`, or name another folder with --results"
        )
    missing = [
        MissingCell(
            *(failure[f"{name}_label"] for name in ("task", "method", "descriptor")),
            f"{'refused' if failure.get('user_error') else 'failed'}: {failure['error']}",
        )
        for failure in failures
    ]
    return sorted_as_paper(records), missing


def named_corpora(corpora: Iterable[str], asked: str | None, folder: str) -> list[str]:
    """Return the corpora asked for, or all; `synthetic` stands for `synthetic, seed 0` as well."""
    known = list(dict.fromkeys(corpora))
    same = [name for name in known if asked in (None, name)]
    named = same or [name for name in known if asked == name.partition(",")[0]]
    if asked is not None and not named:
        raise UserError(f"{folder} has no results of the corpus {asked!r}; {closest(asked, known)}")
    return named


def matching(
    cells: Sequence[Any],  # records, and the content of failures
    filters: Mapping[str, str],
    strict: bool = True,  # what stands for no cell at all is an error
) -> list[Any]:
    """Return the cells that ``method=svm,tca`` or ``task=a/b`` stand for."""
    for what, value in filters.items():
        words = [_words(cell, what) for cell in cells]
        kept: set[int] = set()
        for one in (name.strip() for name in value.strip("[]").split(",")):
            wanted = _meant(what, one)
            found = {i for i, of in enumerate(words) if one == "all" or wanted & set(of)}
            if strict and not found:
                known = {of[0] for of in words}
                raise UserError(f"there is no result with {what}={one}; {closest(one, known)}")
            kept |= found
        cells = [cells[i] for i in sorted(kept)]
    return list(cells)


def _words(cell: CellRecord | dict[str, Any], what: str) -> list[str]:
    """Return the words for the method, task or descriptor of a cell, the usual one first."""
    place = {"row": cell.row, **vars(cell)} if isinstance(cell, CellRecord) else cell
    names = [place.get(what), place[f"{what}_label"]]
    if what == "task":
        pair = f"{place.get('source')}/{place.get('target')}"
        names = [pair, *names] if "__" in str(names[0]) else [*names, pair]
    return [name for name in (*names, place.get("row") if what == "method" else None) if name]


def _meant(group: str, name: str) -> set[str]:
    """Return what a name such as ``type1`` stands for: itself, its members and their labels."""
    try:
        found = members(group, name)
        return {name, *found, *(str(card(group, one).get("label", one)) for one in found)}
    except (OSError, ValueError):
        return {name}
