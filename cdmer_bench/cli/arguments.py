"""The arguments of a command that is no Hydra application: mistakes, help, completion."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from cdmer_bench.errors import UserError, closest


class CommandParser(argparse.ArgumentParser):
    """`argparse`, but a mistake is one sentence that names what was nearest."""

    def __init__(self, command: str, description: str | None = None, **more: Any) -> None:
        more = {"conflict_handler": "resolve", **more}
        super().__init__(f"cdmer {command}", description=description, **more)
        # Taken everywhere, so that the words of one command serve another.
        self.add_argument("--config-dir", help=argparse.SUPPRESS)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse an option that there is not before a word after it is taken for something else."""
        for word in args or ():
            if word == "--":
                break
            self._check_option(word)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise what `argparse` would print with a usage above it."""
        key, equals, value = message.removeprefix("unrecognized arguments: ").partition("=")
        option = f"--{key.partition('.')[0]}"
        if equals and option in self._option_string_actions:
            raise UserError(f"{key} is a key of `cdmer run`; here it is {option} {value}")
        raise UserError(f"{message}; `{self.prog} --help` shows what is expected")

    def suggest(self, words: Sequence[str]) -> list[str]:
        """List what may stand in the place of the last of the words that follow the command."""
        *before, last = words
        waiting = self._option_string_actions.get(before[-1]) if before else None
        if waiting is not None and waiting.nargs is None:
            return _starting(last, waiting.choices)
        if last.startswith("-"):
            return _starting(last, (o for o in self._option_string_actions if o.startswith("--")))
        n_before = sum(not word.startswith("-") for word in before)
        n_before -= sum(self._takes_value(word) for word in before)
        slots = [action for action in self._actions if not action.option_strings]
        slot = slots[min(n_before, len(slots) - 1)] if slots else None
        if slot is None or (n_before >= len(slots) and slot.nargs != "*"):
            return []
        offered = getattr(slot, "suggested", slot.choices) or ()
        return _starting(last, (choice for choice in offered if choice not in before))

    def _takes_value(self, word: str) -> bool:
        action = self._option_string_actions.get(word)
        return action is not None and action.nargs is None

    def _check_option(self, word: str) -> None:
        known = self._option_string_actions
        name = word.partition("=")[0]
        if not name.startswith("-") or name == "-" or name[1:2].isdigit() or name in known:
            return
        if name.startswith("--") and any(option.startswith(name) for option in known):
            return  # an abbreviation
        options = [option for option in known if option.startswith("--")]
        raise UserError(f"{name} is no option of `{self.prog}`; {closest(name, options)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        what = f"{action.option_strings[-1]} of " if action.option_strings else ""
        raise UserError(
            f"{value!r} is not a choice for {what}`{self.prog}`; "
            f"{closest(str(value), map(str, action.choices))}"
        )


def _starting(start: str, choices: Any) -> list[str]:
    return [str(choice) for choice in choices or () if str(choice).startswith(start)]


def add_results(parser: CommandParser, what: str = "the results folder") -> None:
    """Add ``--results DIR``."""
    parser.add_argument(
        "--results", default="results", metavar="DIR", help=f"{what} (default: results)"
    )


def add_corpus(parser: CommandParser, default: str = "the newest") -> None:
    """Add ``--corpus NAME``."""
    parser.add_argument(
        "--corpus", metavar="NAME", help=f"take the results of this corpus (default: {default})"
    )


def add_selection(parser: CommandParser, several: bool = False) -> None:
    """Add ``--selection RULE``, or ``RULES`` where ``several`` may be given."""
    what = (
        "rules that choose the settings, with commas between"
        if several
        else "the rule that chooses settings"
    )
    parser.add_argument(
        "--selection",
        default="oracle",
        metavar="RULES" if several else "RULE",
        help=f"{what} (default: oracle; `cdmer list selections` lists them)",
    )


def add_config_dir(parser: CommandParser) -> None:
    """Add ``--config-dir DIR``."""
    parser.add_argument(
        "--config-dir", metavar="DIR", help="a folder with configuration groups of your own"
    )
