"""Completion of commands and of overrides, for bash, zsh and fish.

It reads the YAML files themselves, because composing the configuration takes too long for a Tab.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from cdmer_bench.cli import COMMANDS, CONFIGURED, split_command
from cdmer_bench.cli.arguments import CommandParser
from cdmer_bench.errors import UserError

ParserOf = Callable[[str], CommandParser]
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
_LISTS = {"method": "methods", "descriptor": "descriptors", "task": "tasks"}
_VALUES = {"solver": ("paper", "exact"), "against": ("paper",)}
_VALUES |= {"grid": ("paper", "reduced"), "data.errors": ("stop", "ignore")}


def completion_arguments(parser: CommandParser) -> None:
    """Add the shell."""
    parser.epilog = 'eval "$(cdmer completion bash)" in bash or zsh; cdmer completion fish | source'
    parser.add_argument("shell", nargs="?", default="bash", choices=SHELLS, help="default: bash")


def completion_command(options: argparse.Namespace) -> int:
    """Print the code that completes names with Tab."""
    print(_SCRIPTS[options.shell], end="")
    return 0


def complete(parser_of: ParserOf) -> int:
    """Print the completions of COMP_LINE, one a line; ``parser_of`` as for `choices`."""
    for choice in choices(os.environ.get("COMP_LINE", ""), parser_of):
        print(choice)
    return 0


def choices(
    line: str,  # what was typed so far, from ``cdmer`` on
    parser_of: ParserOf,  # returns the parser of a command
) -> list[str]:
    """List what may stand in the place of the last word of ``line``."""
    words = line.split(" ")[1:]
    started = " ".join(words)
    following = [name for name in COMMANDS if name.startswith(started)]
    if following and len(words) < 3 and started not in COMMANDS:
        return list(dict.fromkeys(name.split()[max(len(words) - 1, 0)] for name in following))
    try:
        command, rest = split_command(words)
    except UserError:
        return []
    if command not in COMMANDS or not rest:
        return []
    given = set(rest[:-1])
    if command in CONFIGURED:
        return [word for word in _overrides(rest) if word not in given]
    found = _configured(command, rest) if "=" in rest[-1] else parser_of(command).suggest(rest)
    found = found or _configured(command, rest)
    return [word for word in dict.fromkeys(found) if word not in given]


def _configured(command: str, words: list[str]) -> list[str]:
    """Complete what the configuration names: something to check, or an override."""
    last = words[-1]
    if last.startswith("-"):
        return []
    if command == "check" and len(words) == 2:
        return _starting(_names(words[0], _folders(words)), last)
    if "=" in last or command in ("check", "list", "data check", "data clips"):
        return _overrides([*words[:-1], last])
    return []


def _overrides(words: list[str]) -> list[str]:
    """Complete the last word as a flag or an override of `cdmer run`."""
    *before, last = words
    folders = _folders(before)
    if last.startswith("-"):
        return _starting(FLAGS, last)
    sign = last[: len(last) - len(last.lstrip("+~"))]
    key, equals, value = last[len(sign) :].partition("=")
    if equals:
        return [f"{sign}{key}={found}" for found in _values(key, value, before, folders)]
    groups = [f"{name}=" for name in _groups(folders)]
    parents = key.split(".")[:-1]
    node: Any = _tree(before, folders)
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    below = _keys(node, deep=len(parents) > 1)
    keys = [".".join([*parents, name]) for name in below]
    return [f"{sign}{found}" for found in _starting([*(groups if not parents else ()), *keys], key)]


def _keys(node: Any, deep: bool) -> list[str]:
    """List the keys of a node, with "=" where a value follows; ``deep``: those below them too."""
    found = []
    for name, value in node.items() if isinstance(node, dict) else ():
        if name not in ("_target_", "citation", "title"):
            inner = isinstance(value, dict) and value
            if inner and deep:
                found += [f"{name}.{key}" for key in _keys(value, deep)]
            else:
                found.append(f"{name}." if inner else f"{name}=")
    return found


def _values(key: str, value: str, before: list[str], folders: list[Path]) -> list[str]:
    kept, comma, start = value.rpartition(",")
    chosen = kept.split(",") if comma else []
    if key == "task":
        pair, slash, _ = start.partition("/")
        databases = list(_tree(before, folders)["corpus"].get("databases") or {})
        if slash:
            known = [f"{pair}/{target}" for target in databases if target != pair]
        else:
            known = [*_names(key, folders), *(f"{source}/" for source in databases)]
    elif key in _groups(folders):
        known = _names(key, folders)
    else:
        node: Any = _tree(before, folders)
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        known = ["true", "false"] if isinstance(node, bool) else list(_VALUES.get(key, ()))
    return [f"{kept}{comma}{n}" for n in _starting(known, start) if n not in chosen]


def _tree(before: Iterable[str], folders: list[Path]) -> dict[str, Any]:
    """Return the keys that the words before leave, with their values where these are known."""
    tree: dict[str, Any] = dict(_read("run", folders))
    defaults = {k: v for item in tree.pop("defaults") for k, v in _items(item) if v}
    tree.pop("hydra", None)
    given = dict(word.split("=", 1) for word in before if "=" in word)
    for group, plural in _LISTS.items():
        names = given.get(group, str(defaults.get(group, ""))).strip("[]").split(",")
        tree[plural] = {name: _card(group, name, folders) for name in names if name}
    for group in ("corpus", "preprocessing", "selection", "backend"):
        tree[group] = _card(group, given.get(group, str(defaults.get(group, ""))), folders)
    return tree


def _card(group: str, name: str, folders: list[Path]) -> dict[str, Any]:
    """Return a card as it is written, with the databases and groups that it starts from."""
    own = dict(_read(f"{group}/{name}", folders))
    card: dict[str, Any] = {}
    for key, value in (pair for item in own.pop("defaults", ()) for pair in _items(item)):
        if key.startswith("/database@databases."):
            database = _read(f"database/{value}", folders)
            card.setdefault("databases", {})[key.partition(".")[2]] = dict(database)
        elif not key and value != "_self_":
            card |= _card(group, value, folders)
    databases = {**card.get("databases", {}), **(own.get("databases") or {})}
    return {**card, **own, **({"databases": databases} if databases else {})}


def _items(item: Any) -> Iterable[tuple[str, str]]:
    return item.items() if isinstance(item, dict) else [("", str(item))]


def _starting(names: Iterable[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _groups(folders: list[Path]) -> list[str]:
    found = {path.parent.name for folder in folders for path in folder.glob("*/*.yaml")}
    return sorted(found - {"database", "help"})


def _names(group: str, folders: list[Path]) -> list[str]:
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def _folders(words: list[str]) -> list[Path]:
    """Return the folders of configuration: the user's, the package's, those of other packages."""
    own = [words[i + 1] for i, w in enumerate(words[:-1]) if w in ("--config-dir", "-cd")]
    own += [w.partition("=")[2] for w in words if w.startswith("--config-dir=")]
    return [*(Path(folder).expanduser() for folder in own), *_installed()]


@cache
def _installed() -> tuple[Path, ...]:
    from importlib.metadata import entry_points
    from importlib.resources import files

    packages = ["cdmer_bench.conf", *(p.value for p in entry_points(group="cdmer_bench.conf"))]
    return tuple(Path(str(files(package))) for package in packages)


def _read(name: str, folders: list[Path]) -> dict[str, Any]:
    """Read a YAML of the first folder that has it; nothing where it is not there or damaged."""
    import yaml

    path = next((f for folder in folders if (f := folder / f"{name}.yaml").is_file()), None)
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(path.read_text("utf-8"), Loader=loader) if path else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        content = {}
    return content if isinstance(content, dict) else {}
