"""Completion of commands and of overrides, for bash, zsh and fish.

It reads the YAML files themselves, because composing the configuration takes too long for a Tab.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from cdmer_bench.cli import COMMANDS, CONFIGURED, split_command
from cdmer_bench.cli.arguments import CommandParser, command, option
from cdmer_bench.config import CHOICES, GROUPS, LISTED
from cdmer_bench.errors import UserError
from cdmer_bench.protocol import read_yaml

SHELLS = ("bash", "zsh", "fish")
# bash divides words at "=", so what is before one is taken off what it gets.
_SCRIPTS = {
    "bash": """\
_cdmer_complete() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##* }"
    COMPREPLY=($(_CDMER_COMPLETE=1 COMP_LINE="$line" "$1" 2>/dev/null))
    if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
    fi
    [[ ${COMPREPLY[0]-} == *[=/.] ]] && compopt -o nospace
}
complete -F _cdmer_complete cdmer
""",
    "zsh": """\
autoload -U +X bashcompinit && bashcompinit
_cdmer_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(_CDMER_COMPLETE=1 COMP_LINE="${COMP_LINE}" cdmer 2>/dev/null))
}
complete -o nospace -F _cdmer_complete cdmer
""",
    "fish": """\
complete -c cdmer -f -a '(_CDMER_COMPLETE=1 COMP_LINE=(commandline -cp) cdmer 2>/dev/null)'
""",
}
FLAGS = (
    "--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run",
    "--multirun", "--shell-completion", "--config-path", "--config-name", "--config-dir",
    "--experimental-rerun", "--info",
)  # fmt: skip
_WITH_OVERRIDES = ("check", "list", "data check", "data clips")
_VALUES = {**CHOICES, "grid": ("paper", "reduced")}


@command(
    option("shell", nargs="?", default="bash", choices=SHELLS, help="default: bash"),
    epilog='eval "$(cdmer completion bash)" in bash or zsh; cdmer completion fish | source in fish',
)
def completion_command(options: argparse.Namespace) -> int:
    """Print the code that completes names with Tab."""
    print(_SCRIPTS[options.shell], end="")
    return 0


def choices(
    line: str,  # what was typed so far, from ``cdmer`` on
    parser_of: Callable[[str], CommandParser],  # returns the parser of a command
) -> list[str]:
    """List what may stand in the place of the last word of ``line``."""
    words = line.split(" ")[1:]
    started = " ".join(words)
    following = [name for name in COMMANDS if name.startswith(started)]
    if following and len(words) < 3 and started not in COMMANDS:
        return list(dict.fromkeys(name.split()[max(len(words) - 1, 0)] for name in following))
    try:
        name, rest = split_command(words)
    except UserError:
        return []
    if name not in COMMANDS or not rest:
        return []
    *before, last = rest
    found: Iterable[str] = ()
    if name not in CONFIGURED and "=" not in last:
        found = parser_of(name).suggest(rest)
    if not found and name == "check" and len(rest) == 2:
        found = _starting(_Cards(before).names(before[0]), last)
    elif not found and last.startswith("-") and name in CONFIGURED:
        found = _starting(FLAGS, last)
    elif not found and ("=" in last or name in (*CONFIGURED, *_WITH_OVERRIDES)):
        found = _overrides(before, last)
    return [word for word in dict.fromkeys(found) if word not in before]


def _overrides(before: Sequence[str], last: str) -> list[str]:
    """Complete a word as an override of `cdmer run`."""
    cards = _Cards(before)
    sign = last[: len(last) - len(last.lstrip("+~"))]
    key, equals, value = last.removeprefix(sign).partition("=")
    if equals:
        return [f"{sign}{key}={found}" for found in _values(key, value, cards)]
    *parents, _ = key.split(".")
    found = [] if parents else [f"{name}=" for name in cards.groups()]
    for name in _keys(_below(cards.tree(), parents), deep=len(parents) > 1):
        found.append(".".join([*parents, name]))
    return [f"{sign}{name}" for name in _starting(found, key)]


def _values(key: str, value: str, cards: "_Cards") -> list[str]:
    kept, comma, start = value.rpartition(",")
    known: Iterable[str] = _VALUES.get(key, ())
    if key == "task":
        pair, slash, _ = start.partition("/")
        databases = list(cards.tree()["corpus"].get("databases") or {})
        known = [*cards.names(key), *(f"{source}/" for source in databases)]
        if slash:
            known = [f"{pair}/{target}" for target in databases if target != pair]
    elif key in cards.groups():
        known = cards.names(key)
    elif isinstance(_below(cards.tree(), key.split(".")), bool):
        known = ["true", "false"]
    chosen = kept.split(",") if comma else []
    return [f"{kept}{comma}{name}" for name in _starting(known, start) if name not in chosen]


def _starting(names: Iterable[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _below(node: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _keys(node: Any, deep: bool) -> list[str]:
    """List the keys of a node, with "=" where a value follows; ``deep``: those below them too."""
    found = []
    for name, value in node.items() if isinstance(node, dict) else ():
        inner = isinstance(value, dict) and value
        if name in ("_target_", "citation", "title"):
            continue
        if inner and deep:
            found += [f"{name}.{key}" for key in _keys(value, deep)]
        else:
            found.append(f"{name}." if inner else f"{name}=")
    return found


class _Cards:
    """The YAML files that the words before the last choose from, as they are written."""

    def __init__(self, words: Sequence[str]) -> None:
        own = [after for word, after in pairwise(words) if word in ("--config-dir", "-cd")]
        own += [word.partition("=")[2] for word in words if word.startswith("--config-dir=")]
        packages = ["cdmer_bench.conf", *(p.value for p in entry_points(group="cdmer_bench.conf"))]
        self.folders = [Path(folder).expanduser() for folder in own]
        self.folders += [Path(str(files(package))) for package in packages]
        self.given = dict(word.split("=", 1) for word in words if "=" in word)

    def groups(self) -> list[str]:
        found = {path.parent.name for folder in self.folders for path in folder.glob("*/*.yaml")}
        return sorted(found - {"database", "help"})

    def names(self, group: str) -> list[str]:
        found = (path.stem for folder in self.folders for path in (folder / group).glob("*.yaml"))
        return sorted(set(found))

    def tree(self) -> dict[str, Any]:
        """Return the keys of a run, with their values where these are known."""
        tree = self._read("run")
        tree.pop("hydra", None)
        for group, default in (pair for item in tree.pop("defaults") for pair in _items(item)):
            chosen = self.given.get(group, str(default or "")) if group in GROUPS else ""
            names = [name for name in chosen.strip("[]").split(",") if name]
            if group in LISTED:
                tree[LISTED[group]] = {name: self._card(group, name) for name in names}
            elif names and group != "experiment":
                tree[group] = self._card(group, chosen)
        return tree

    def _card(self, group: str, name: str) -> dict[str, Any]:
        """Return a card with the databases and groups that it starts from."""
        own = self._read(f"{group}/{name}")
        card: dict[str, Any] = {}
        for key, value in (pair for item in own.pop("defaults", ()) for pair in _items(item)):
            if key.startswith("/database@databases."):
                database = self._read(f"database/{value}")
                card.setdefault("databases", {})[key.partition(".")[2]] = database
            elif not key and value != "_self_":
                card |= self._card(group, value)
        databases = {**card.get("databases", {}), **(own.get("databases") or {})}
        return {**card, **own, **({"databases": databases} if databases else {})}

    def _read(self, name: str) -> dict[str, Any]:
        """Read a YAML of the first folder that has it; nothing where it is absent or damaged."""
        import yaml

        path = next(
            (f for folder in self.folders if (f := folder / f"{name}.yaml").is_file()), None
        )
        try:
            content = read_yaml(path.read_text("utf-8")) if path else {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            content = {}
        return content if isinstance(content, dict) else {}


def _items(item: Any) -> Iterable[tuple[str, str]]:
    return item.items() if isinstance(item, dict) else [("", str(item))]
