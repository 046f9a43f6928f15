"""Completion of sub-commands and of Hydra overrides, for bash, zsh and fish."""

import argparse
import os
from collections.abc import Callable

from cdmer_bench.cli import COMMANDS, CONFIGURED, split_command
from cdmer_bench.cli.arguments import CommandParser
from cdmer_bench.errors import UserError

ParserOf = Callable[[str], CommandParser]
SHELLS = ("bash", "zsh", "fish")
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
    """List what may stand in the place of the last word of ``line``.

    Hydra completes overrides for a command without sub-commands, so it is given the line with
    the sub-command taken out.
    """
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
    if command in CONFIGURED:
        return _overrides(rest)
    return parser_of(command).suggest(rest) or _configured(command, rest)


def _configured(command: str, words: list[str]) -> list[str]:
    """Complete what the configuration names: something to check, or an override."""
    if command not in ("check", "data check", "data clips") or words[-1].startswith("-"):
        return []
    if len(words) == 2 and command == "check":
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
