"""Completion of sub-commands and of Hydra overrides, for bash, zsh and fish."""

import os
from collections.abc import Callable
from types import ModuleType

from cdmer_bench.cli.arguments import CommandParser
from cdmer_bench.cli.commands import CHECKED, COMMANDS, SHELLS

_SCRIPTS = {
    "bash": """\
_cdmer_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(_CDMER_COMPLETE=1 COMP_LINE="${COMP_LINE:0:COMP_POINT}" "$1" 2>/dev/null))
    [[ ${COMPREPLY[0]-} == *[=/.] ]] && compopt -o nospace
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
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
_HYDRA_COMMANDS = ("run", "extract")


def main(arguments: list[str]) -> int:
    """Print the code that turns completion on: ``eval "$(cdmer completion bash)"``."""
    print(_SCRIPTS[make_parser().parse_args(arguments).shell], end="")
    return 0


def make_parser() -> CommandParser:
    """Return the command's arguments."""
    parser = CommandParser(
        "completion",
        "Print the code that completes names with Tab.",
        epilog='eval "$(cdmer completion bash)" in bash or zsh; cdmer completion fish | source',
    )
    parser.add_argument("shell", nargs="?", default="bash", choices=SHELLS, help="default: bash")
    return parser


def complete(load: Callable[[str], ModuleType]) -> int:
    """Print the completions of the line in COMP_LINE, one a line; ``load`` as for `choices`."""
    for choice in choices(os.environ.get("COMP_LINE", ""), load):
        print(choice)
    return 0


def choices(line: str, load: Callable[[str], ModuleType]) -> list[str]:
    """List what may stand in the place of the last word of ``line``.

    Hydra completes overrides for a command without sub-commands, so it is given the line with
    the sub-command taken out.

    Parameters
    ----------
    line : str
        What was typed so far, from ``cdmer`` on.
    load : callable
        Returns the module of a sub-command.
    """
    words = line.split(" ")[1:]
    if len(words) < 2:
        return [name for name in COMMANDS if name.startswith(words[-1] if words else "")]
    command, *rest = words
    if command not in COMMANDS:
        return []
    if command in _HYDRA_COMMANDS:
        return _overrides(rest)
    module = load(command)
    if command == "data":
        action, *rest = rest
        if not rest or action not in module.ACTIONS:
            return [name for name in module.ACTIONS if name.startswith(action) and not rest]
        return module.make_parser(action).suggest(rest) or _configured(action, rest)
    return module.make_parser().suggest(rest) or _configured(command, rest)


def _configured(command: str, words: list[str]) -> list[str]:
    """Complete what the configuration names: something to check, or an override."""
    if command != "check" or words[-1].startswith("-"):
        return []
    if len(words) == 2 and words[0] in CHECKED:
        from cdmer_bench.config.catalogue import cards

        return [name for name in cards(words[0]) if name.startswith(words[1])]
    return _overrides([word for word in words if "=" in word or word == words[-1]])


def _overrides(words: list[str]) -> list[str]:
    """Complete the last word as Hydra's flag or override."""
    from hydra._internal.core_plugins.bash_completion import BashCompletion

    from cdmer_bench.cli.hydra_app import flag_value, hydra_flags
    from cdmer_bench.config.catalogue import composer

    *before, last = words
    if last.startswith("-"):
        return [flag for flag in hydra_flags() if flag.startswith("--") and flag.startswith(last)]
    config_dir = flag_value([*before, ""], "--config-dir", "-cd")
    # Hydra completes single choices: of a comma list, the last.
    kept, comma, start = last.rpartition(",")
    asked = f"{kept.partition('=')[0]}={start}" if comma else last
    with composer(config_dir, []) as loader:
        line = " ".join([*before, asked])
        found = sorted(BashCompletion(loader)._query(config_name="run", line=line))
    return [f"{kept},{choice.partition('=')[2]}" for choice in found] if comma else found
