"""`cdmer list`: what there is to choose from."""

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from cdmer_bench.cli.arguments import RESULTS, command, option
from cdmer_bench.cli.hydra_app import cards, compose_config

if TYPE_CHECKING:
    from cdmer_bench.databases.base import Database

WIDTH = 100
_GROUPS = {
    "methods": "method",
    "descriptors": "descriptor",
    "corpora": "corpus",
    "selections": "selection",
}
LISTED = (*_GROUPS, "tasks", "databases", "runs")
Rows = list[tuple[str, ...]]  # the first row holds the headings


@command(
    option("what", nargs="?", choices=LISTED, help="what to list; without it, everything in short"),
    option(
        "overrides",
        nargs="*",
        default=[],
        help="corpus=NAME: the databases and tasks of this corpus",
    ),
    RESULTS,
)
def list_command(options: argparse.Namespace) -> int:
    """List what there is to choose from."""
    if options.what is None:
        names = {
            g: ", ".join(cards(g, options.config_dir)) for g in (*_GROUPS.values(), "experiment")
        }
        names["task"] = "exp01 to exp12, type1, type2, all, SOURCE/TARGET"
        for group in (*_GROUPS.values(), "task", "experiment"):
            _print_wrapped(f"{group}=", names[group], 14)
        print(f"\nMore: cdmer list {'|'.join(LISTED)}")
        return 0
    find = {"tasks": _tasks, "databases": _databases, "runs": _runs}.get(options.what, _cards)
    rows = find(options)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows if len(rows) > 1 else ():
        start = "".join(f"{text:<{w}}  " for text, w in zip(row, widths, strict=False))
        _print_wrapped(start, row[-1], len(start))
    return 0


def _print_wrapped(start: str, text: str, indent: int) -> None:
    lines = textwrap.wrap(text, max(30, WIDTH - indent)) or [""]
    print(f"\n{' ' * indent}".join([f"{start:<{indent}}{lines[0]}", *lines[1:]]).rstrip())


def _cards(options: argparse.Namespace) -> Rows:
    labelled = options.what in ("methods", "descriptors")
    rows: Rows = [("name", "in tables", "what it is")]
    for name, card in cards(_GROUPS[options.what], options.config_dir).items():
        label = str(card.get("label") or "")
        title = str(card.get("title") or label or card.get("name") or "")
        if card.members and not card.get("_target_") and options.what != "corpora":
            title = title or _members(card)
        if options.what == "methods" and card.get("grid"):
            title += f" ({'; '.join(f'{key}: {values}' for key, values in card.grid.items())})"
        rows.append((name, label, title))
    return rows if labelled else [(name, title) for name, _, title in rows]


def _members(card: DictConfig) -> str:
    names = (str(member).rpartition("/")[2] for member in card.members if member)
    return f"several: {', '.join(name for name in names if name != '_self_')}"


def _built(options: argparse.Namespace) -> "dict[str, Database]":
    """Return the databases of the corpus that was named; none if none was."""
    if not any(override.startswith("corpus=") for override in options.overrides):
        return {}
    from cdmer_bench.config.build import build_databases

    return build_databases(compose_config(options.config_dir, options.overrides).corpus)


def _tasks(options: argparse.Namespace) -> Rows:
    rows: Rows = [("task", "in tables", "source → target")]
    if found := _built(options):
        from cdmer_bench.config.build import label_of_pair, pairs_of

        for name, pair in pairs_of(found).items():
            label = pair.label or label_of_pair(found[pair.source], found[pair.target])
            rows.append((name.replace("__", "/"), label, f"{pair.source} → {pair.target}"))
        return rows
    for name, card in cards("task", options.config_dir).items():
        single = f"{card.source} → {card.target}" if "source" in card else _members(card)
        rows.append((name, str(card.get("label", "")), single))
    return [*rows, ("SOURCE/TARGET", "", "any ordered pair of the corpus's databases")]


def _databases(options: argparse.Namespace) -> Rows:
    rows: Rows = [("database", "title", "clips expected, or classes")]
    if found := _built(options):
        for name, database in found.items():
            counts = _counts(database.counts) or ", ".join(database.classes)
            rows.append((name, database.title, counts))
        return rows
    for name, card in cards("database", options.config_dir).items():
        counts = _counts(card.get("counts")) or str(card.get("status", ""))
        rows.append((name, str(card.get("title", "")), counts))
    return rows


def _counts(counts: Any) -> str:
    return ", ".join(f"{n} {c}" for c, n in (counts or {}).items())


def _runs(options: argparse.Namespace) -> Rows:
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
    headings = ("date", "task", "method", "descriptor", "settings", "key", "corpus")
    return [headings, *sorted(rows)]
