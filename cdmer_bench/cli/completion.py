"""Completion of sub-commands and of Hydra overrides, for bash, zsh and fish."""

import itertools
import os

from cdmer_bench.cli.commands import COMMANDS
from cdmer_bench.errors import UserError, closest

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
    shell = arguments[0] if arguments else "bash"
    if shell in ("-h", "--help"):
        print(
            'usage: eval "$(cdmer completion bash)"   # or zsh\n'
            "       cdmer completion fish | source"
        )
        return 0
    if shell not in _SCRIPTS:
        raise UserError(f"completion for {shell!r} is not there; {closest(shell, _SCRIPTS)}")
    print(_SCRIPTS[shell], end="")
    return 0


def complete() -> int:
    """Print the completions of the line in COMP_LINE, one a line."""
    for choice in choices(os.environ.get("COMP_LINE", "")):
        print(choice)
    return 0


def choices(line: str) -> list[str]:
    """List what may stand in the place of the last word of ``line``.

    Hydra completes overrides for a command without sub-commands, so it is given the line with
    the sub-command taken out.
    """
    words = line.split(" ")
    last = words[-1]
    if len(words) <= 2:
        return [name for name in COMMANDS if name.startswith(last)]
    command = words[1]
    if command in _HYDRA_COMMANDS:
        return _overrides(" ".join([words[0], *words[2:]]))
    known = COMMANDS[command].words if command in COMMANDS else ()
    return [word for word in known if word.startswith(last)]


def _overrides(line: str) -> list[str]:
    from hydra._internal.core_plugins.bash_completion import BashCompletion

    from cdmer_bench.config.catalogue import composer

    words = line.split(" ")
    config_dir = next((w for f, w in itertools.pairwise(words) if f == "--config-dir"), None)
    if "," in words[-1]:
        # Hydra completes single choices; complete the last of a comma list by itself.
        kept, _, start = words[-1].rpartition(",")
        name = kept.partition("=")[0]
        line = " ".join([*words[:-1], f"{name}={start}"])
        with composer(config_dir, []) as loader:
            found = BashCompletion(loader)._query(config_name="run", line=line.partition(" ")[2])
        return [f"{kept},{choice.partition('=')[2]}" for choice in found]
    with composer(config_dir, []) as loader:
        return sorted(BashCompletion(loader)._query(config_name="run", line=line.partition(" ")[2]))
