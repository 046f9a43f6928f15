"""The `cdmer` command: looks at the words and imports only what that command needs."""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from cdmer_bench.cli import COMMANDS, CONFIGURED, split_command, usage

if TYPE_CHECKING:
    from cdmer_bench.cli.arguments import CommandParser


def command_module(name: str) -> ModuleType:
    """Import the module of a command, only when it is needed."""
    return import_module(f"cdmer_bench.cli.{COMMANDS[name][0]}")


def command_parser(name: str) -> "CommandParser":
    """Return the parser of a command that has one."""
    from cdmer_bench.cli.arguments import CommandParser

    return CommandParser(name, getattr(command_module(name), f"{name.split()[-1]}_command"))


def call(name: str, arguments: list[str]) -> int:
    """Run one command on what follows it; return the exit code."""
    if name not in CONFIGURED:
        parser = command_parser(name)
        return parser.command.run(parser.parse(arguments))
    from cdmer_bench.cli.hydra_app import run_hydra

    module = command_module(name)
    joint = module.joint_table if name == "run" else None
    return run_hydra(name, arguments, getattr(module, f"{name}_command"), joint)


def main(argv: list[str] | None = None) -> int:
    """Run `cdmer`; return the exit code.

    0: all is well. 1: a cell failed, or something is broken here. 2: the user can mend it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if any("utf" not in str(s.encoding).lower() for s in (sys.stdout, sys.stderr)):
        from cdmer_bench.cli.console import write_plainly

        write_plainly()
    if "_CDMER_COMPLETE" in os.environ:
        from cdmer_bench.cli.completion import choices

        for choice in choices(os.environ.get("COMP_LINE", ""), command_parser):
            print(choice)
        return 0
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"cdmer-bench {version('cdmer-bench')}")
        return 0
    import warnings

    from cdmer_bench.errors import UserError, as_sentence

    # The warning's sentence only, without the line of code that raised it.
    warnings.formatwarning = lambda message, *_, **__: f"cdmer: warning: {message}\n"
    try:
        name, rest = split_command(arguments)
        if name not in COMMANDS:
            print(usage(name), end="")
            return 0
        code = call(name, rest)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(
            "\ncdmer: interrupted; finished work is kept, the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (UserError, MemoryError, OSError) as error:
        from cdmer_bench.cli.console import say

        sentence, code = as_sentence(error)
        say(sentence)
        return code


if __name__ == "__main__":
    sys.exit(main())
