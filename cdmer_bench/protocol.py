"""The paper's protocol: Tables I and II, the rows and columns of its tables, the grids of blocks.

Each fact stands in ``conf/`` where it has a card there, and is read when it is asked for.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

CLASSES = ("negative", "positive", "surprise")
# The paper's features: 1 + 4 + 16 + 64 = 85 blocks. Its text says 1, 2, 3, 4, which is 30 blocks.
BLOCK_GRIDS = (1, 2, 4, 8)
BLOCK_GRIDS_OF_THE_TEXT = (1, 2, 3, 4)


@dataclass(frozen=True)
class Task:
    """One experiment of Table II, or any ordered pair of databases."""

    name: str  # ``exp05``, or ``casme2__smic_hs`` for a pair
    label: str  # ``Exp.5``, or ``C → H`` for a pair
    source: str  # key of the database
    target: str  # key of the database


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds, by the faster parser where it is there."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, Loader=loader)


@cache
def card(group: str, name: str) -> dict[str, Any]:
    """Return a YAML of ``conf/``, such as ``card("method", "tca")``, as it is written."""
    text = (files("cdmer_bench.conf") / group / f"{name}.yaml").read_text("utf-8")
    return read_yaml(text) or {}


def is_shipped(group: str, name: str) -> bool:
    """Whether ``conf/`` has a card of that name."""
    return (files("cdmer_bench.conf") / group / f"{name}.yaml").is_file()


def members(group: str, name: str = "all") -> list[str]:
    """List the cards that a card of several stands for, such as the rows of ``method=all``."""
    content = card(group, name)
    if "defaults" not in content:
        return [name]
    return [single for member in content["defaults"] for single in members(group, member)]


@cache
def composition(database: str) -> tuple[int, int, int]:
    """Return the number of clips of each of `CLASSES` in Table I, corrected.

    The paper prints the counts of positive and negative clips of VIS and NIR the other way
    round. The authors' released labels and their HS clips of the same eight subjects give 23
    negative and 28 positive, and only this coding reproduces the printed baseline.
    """
    counts = card("database", database)["counts"]
    negative, positive, surprise = (int(counts[name]) for name in CLASSES)
    return negative, positive, surprise


@cache
def experiments(group: str = "all") -> tuple[Task, ...]:
    """Return the tasks of Table II; of ``type1`` or ``type2`` only those of this type."""
    cards = {name: card("task", name) for name in members("task", group)}
    return tuple(Task(name, c["label"], c["source"], c["target"]) for name, c in cards.items())


@cache
def rows(group: str) -> tuple[str, ...]:
    """Return the labels of the paper's methods (``method``) or descriptors (``descriptor``)."""
    return tuple(str(card(group, name)["label"]) for name in members(group))


@cache
def direction(task: Task) -> str:
    """Return ``H → V``: the letters of a task's source and target in the paper."""
    return " → ".join(card("database", name)["letter"] for name in (task.source, task.target))
