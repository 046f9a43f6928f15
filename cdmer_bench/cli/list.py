"""`cdmer list`: what there is to choose from."""

import argparse
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from cdmer_bench.cli.arguments import CommandParser, add_config_dir, add_results
from cdmer_bench.config.catalogue import cards

if TYPE_CHECKING:
    from cdmer_bench.databases.base import Database

WIDTH = 100
_CARDS = {
    "methods": "method",
    "descriptors": "descriptor",
    "corpora": "corpus",
    "selections": "selection",
}
_LABELLED = ("methods", "descriptors")
LISTED = (*_CARDS, "tasks", "databases", "runs")
Rows = list[tuple[str, ...]]


def list_arguments(parser: CommandParser) -> None:
    """Add what to list, and where it stands."""
    parser.add_argument(
        "what", nargs="?", choices=LISTED, help="what to list; without it, everything in short"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        help="corpus=NAME: the databases and tasks of this corpus",
    )
    add_config_dir(parser)
    add_results(parser, "the results folder, for runs")


def list_command(options: argparse.Namespace) -> int:
    """List what there is to choose from."""
    if options.what is None:
        for group in _CARDS.values():
            names = ", ".join(cards(group, options.config_dir))
            print(_wrapped(f"{group}=", names, 14))
        print(_wrapped("task=", "exp01 to exp12, type1, type2, all, SOURCE/TARGET", 14))
        print(_wrapped("experiment=", ", ".join(cards("experiment", options.config_dir)), 14))
        print(f"\nMore: cdmer list {'|'.join(LISTED)}")
        return 0
    tables: dict[str, Callable[[argparse.Namespace], tuple[tuple[str, ...], Rows]]] = {
        "tasks": _tasks,
        "databases": _databases,
        "runs": _runs,
    }
    header, rows = tables.get(options.what, _named_cards)(options)
    print_table(header, rows)
    return 0


def print_table(header: tuple[str, ...], rows: Rows) -> None:
    """Print columns with their headings, at most `WIDTH` wide; the last column is wrapped."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header) - 1)]
    for row in (header, *rows):
        start = "  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=False)) + "  "
        print(_wrapped(start, row[-1], len(start)))


def _wrapped(start: str, text: str, indent: int) -> str:
    lines = textwrap.wrap(text, max(30, WIDTH - indent)) or [""]
    return f"\n{' ' * indent}".join([start.ljust(indent) + lines[0], *lines[1:]]).rstrip()


def _named_cards(options: argparse.Namespace) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    for name, card in cards(_CARDS[options.what], options.config_dir).items():
        title = str(card.get("title") or card.get("label") or card.get("name") or "")
        if card.members and not card.get("_target_") and options.what != "corpora":
            title = title or f"several: {_members(card)}"
        if options.what == "methods" and (grid := _grid_text(card)):
            title += f" ({grid})"
        label = str(card.get("label") or "")
        rows.append((name, label, title) if options.what in _LABELLED else (name, title))
    header = ("name", "in tables", "what it is")
    return header if options.what in _LABELLED else header[::2], rows


def _grid_text(card: DictConfig) -> str:
    return "; ".join(f"{name}: {values}" for name, values in (card.get("grid") or {}).items())


def _members(card: DictConfig) -> str:
    names = (str(m).rpartition("/")[2] for m in card.members if m)
    return ", ".join(name for name in names if name != "_self_")


def _corpus(options: argparse.Namespace) -> str | None:
    return next((o for o in options.overrides if o.startswith("corpus=")), None)


def _tasks(options: argparse.Namespace) -> tuple[tuple[str, ...], Rows]:
    header = ("task", "in tables", "source → target")
    if _corpus(options):
        from cdmer_bench.config.build import label_of_pair, pairs_of

        found = _built(options)
        return header, [
            (
                name.replace("__", "/"),
                card.label or label_of_pair(found[card.source], found[card.target]),
                f"{card.source} → {card.target}",
            )
            for name, card in pairs_of(found).items()
        ]
    rows: Rows = []
    for name, card in cards("task", options.config_dir).items():
        if "source" in card:
            rows.append((name, str(card.get("label", "")), f"{card.source} → {card.target}"))
        else:
            rows.append((name, "", f"several: {_members(card)}"))
    return header, [*rows, ("SOURCE/TARGET", "", "any ordered pair of the corpus's databases")]


def _databases(options: argparse.Namespace) -> tuple[tuple[str, ...], Rows]:
    header = ("database", "title", "clips expected, or classes")
    if _corpus(options):
        return header, [
            (name, database.title, _counts(database.counts) or ", ".join(database.classes))
            for name, database in _built(options).items()
        ]
    return header, [
        (
            name,
            str(card.get("title", "")),
            _counts(card.get("counts")) or str(card.get("status", "")),
        )
        for name, card in cards("database", options.config_dir).items()
    ]


def _counts(counts: Any) -> str:
    return ", ".join(f"{n} {c}" for c, n in (counts or {}).items())


def _built(options: argparse.Namespace) -> "dict[str, Database]":
    from cdmer_bench.cli.hydra_app import compose
    from cdmer_bench.config.build import build_databases

    return build_databases(compose(options.config_dir, options.overrides).corpus)


def _runs(options: argparse.Namespace) -> tuple[tuple[str, ...], Rows]:
    from cdmer_bench.results.current import current
    from cdmer_bench.results.store import ResultsStore

    rows = [
        (
            str(record.about.get("date", ""))[:16].replace("T", " "),
            record.task_label,
            record.row,
            record.descriptor_label,
            str(len(record.settings)),
            record.key[:12],
            record.corpus,
        )
        for record in current(ResultsStore(options.results))
    ]
    if not rows:
        print(f"no finished cell in {options.results}")
    return ("date", "task", "method", "descriptor", "settings", "key", "corpus"), sorted(rows)
