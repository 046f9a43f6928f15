"""`cdmer list`: what there is to choose from."""

import argparse
from pathlib import Path

from omegaconf import DictConfig

from cdmer_bench.cli.arguments import CommandParser, add_config_dir, add_results
from cdmer_bench.config.catalogue import cards

LISTED = ("methods", "descriptors", "tasks", "databases", "corpora", "selections", "runs")
Row = tuple[str, ...]


def list_arguments(parser: CommandParser) -> None:
    """Add what to list, and where it stands."""
    parser.add_argument("what", choices=LISTED, help="what to list")
    add_config_dir(parser)
    add_results(parser, "the results folder, for runs")


def list_command(options: argparse.Namespace) -> int:
    """List what there is to choose from."""
    rows = {
        "methods": lambda: _card_rows("method", options.config_dir),
        "descriptors": lambda: _card_rows("descriptor", options.config_dir),
        "corpora": lambda: _card_rows("corpus", options.config_dir),
        "selections": lambda: _card_rows("selection", options.config_dir),
        "tasks": lambda: _task_rows(options.config_dir),
        "databases": lambda: _database_rows(options.config_dir),
        "runs": lambda: _run_rows(options.results),
    }[options.what]()
    _print_rows(rows)
    return 0


def _print_rows(rows: list[Row]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    for row in rows:
        print("  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=True)).rstrip())


def _grid_text(card: DictConfig) -> str:
    return "; ".join(f"{name}: {values}" for name, values in (card.get("grid") or {}).items())


def _card_rows(group: str, config_dir: str | None) -> list[Row]:
    rows: list[Row] = []
    for name, card in cards(group, config_dir).items():
        title = str(card.get("title") or card.get("label") or card.get("name") or "")
        if card.members and not card.get("_target_"):
            title = title or "several: " + _members(card)
        rows.append((name, str(card.get("label") or ""), title, _grid_text(card)))
    return rows


def _members(card: DictConfig) -> str:
    return ", ".join(str(m).rpartition("/")[2] for m in card.members if m and m != "_self_")


def _task_rows(config_dir: str | None) -> list[Row]:
    rows: list[Row] = []
    for name, card in cards("task", config_dir).items():
        if "source" in card:
            rows.append((name, str(card.get("label", "")), f"{card.source} → {card.target}"))
        else:
            rows.append((name, "", "several: " + _members(card)))
    rows.append(("SOURCE/TARGET", "", "any ordered pair of the corpus's databases"))
    return rows


def _database_rows(config_dir: str | None) -> list[Row]:
    rows: list[Row] = []
    for name, card in cards("database", config_dir).items():
        counts = ", ".join(f"{n} {c}" for c, n in (card.get("counts") or {}).items())
        rows.append((name, str(card.get("title", "")), counts, str(card.get("status", ""))))
    return rows


def _run_rows(results: str) -> list[Row]:
    from cdmer_bench.results.store import ResultsStore

    rows = [
        (
            str(record.about.get("date", "")),
            record.task_label,
            record.method_label,
            record.descriptor_label,
            record.corpus,
            f"{len(record.settings)} settings",
            record.key[:12],
        )
        for record in ResultsStore(Path(results)).records()
    ]
    if not rows:
        print(f"no finished cell in {results}")
    return sorted(rows)
