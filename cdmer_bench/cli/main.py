"""The `cdmer` command: looks at the sub-command and imports only what that one needs."""

import os
import sys
from importlib import import_module
from types import ModuleType

from cdmer_bench.cli.commands import COMMANDS

EPILOG = """\
Try it:
  cdmer run method=tca task=all               the synthetic databases need nothing else
  cdmer run method=svm,tca,gfk task=type1     several methods, one table
  cdmer COMMAND --help                        what a command takes
"""


def usage() -> str:
    """Return the text of `cdmer --help`."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{about}" for name, about in COMMANDS.items()]
    return (
        "cdmer: the benchmark of cross-database micro-expression recognition\n\n"
        "usage: cdmer COMMAND ...\n\n" + "\n".join(lines) + "\n\n" + EPILOG
    )


def load_command(name: str) -> ModuleType:
    """Import the module of a sub-command, and nothing before it is needed."""
    return import_module(f"cdmer_bench.cli.{name}")


def main(argv: list[str] | None = None) -> int:
    """Run `cdmer`; return the exit code.

    0: all is well. 1: a cell failed, or something is broken here. 2: the user can mend it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "_CDMER_COMPLETE" in os.environ:
        return int(load_command("completion").complete(load_command))
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"cdmer-bench {version('cdmer-bench')}")
        return 0
    from cdmer_bench.errors import UserError, as_sentence, closest

    name = arguments[0]
    try:
        if name not in COMMANDS:
            known = [*COMMANDS, "--help", "--version"]
            raise UserError(f"{name!r} is not a command of cdmer; {closest(name, known)}")
        return int(load_command(name).main(arguments[1:]))
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
