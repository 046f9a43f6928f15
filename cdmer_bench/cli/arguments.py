"""The options of commands that are no Hydra applications: parsing, mistakes, completion."""

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from cdmer_bench.errors import UserError, closest

Option = tuple[tuple[str, ...], dict[str, Any]]


@dataclass(frozen=True)
class Command:
    """A function on parsed options that returns the exit code; its docstring is the help."""

    run: Callable[[argparse.Namespace], int]
    options: Sequence[Option]
    epilog: str | None = None


def command(*options: Option, epilog: str | None = None) -> Callable[[Callable], Command]:
    """Make a function a command that takes options."""
    return lambda function: Command(function, options, epilog)


def option(*names: str, **more: Any) -> Option:
    """Describe an option as `argparse` does; ``suggested`` are words that Tab offers."""
    return names, more


RESULTS = option(
    "--results", default="results", metavar="DIR", help="the results folder (default: results)"
)
CORPUS = option(
    "--corpus", metavar="NAME", help="take the results of this corpus (default: the newest)"
)
SELECTION = option(
    "--selection",
    default="oracle",
    metavar="RULE",
    help="the rule that chooses settings (default: oracle; `cdmer list selections` lists them)",
)
SELECTIONS = option(
    "--selection",
    default="oracle",
    metavar="RULES",
    help="rules that choose the settings, with commas between (default: oracle; `cdmer list "
    "selections` lists them)",
)


class CommandParser(argparse.ArgumentParser):
    """`argparse`, but a mistake is one sentence that names what was nearest."""

    def __init__(self, name: str, command: Command) -> None:
        super().__init__(f"cdmer {name}", None, inspect.getdoc(command.run), command.epilog)
        self.command = command
        self.suggested: dict[argparse.Action, Iterable[str]] = {}
        for names, more in command.options:
            kept = {key: value for key, value in more.items() if key != "suggested"}
            action = self.add_argument(*names, **kept)
            self.suggested[action] = more.get("suggested") or action.choices or ()
        # Taken by every command, so that the words of one serve another.
        self.add_argument(
            "--config-dir", metavar="DIR", help="a folder with configuration groups of your own"
        )

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; an unknown option is refused first, or its value would be taken for a word."""
        known = self._option_string_actions
        for word in words[: words.index("--")] if "--" in words else words:
            name, equals, value = word.partition("=")
            if re.match("--?[a-zA-Z]", name) and not any(o.startswith(name) for o in known):
                options = [o for o in known if o.startswith("--")]
                raise UserError(f"{name} is no option of `{self.prog}`; {closest(name, options)}")
            of_run = f"--{name.partition('.')[0]}"
            if equals and of_run in known and f"{name}=" not in self._offered():
                raise UserError(f"{name} is a key of `cdmer run`; here it is {of_run} {value}")
        return self.parse_intermixed_args(words)

    def _offered(self) -> set[str]:
        return {word for words in self.suggested.values() for word in words}

    def error(self, message: str) -> NoReturn:
        """Raise what `argparse` would print with a usage above it."""
        raise UserError(f"{message}; `{self.prog} --help` shows what is expected")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = f"{action.option_strings[-1]} of " if action.option_strings else ""
            raise UserError(
                f"{value!r} is not a choice for {what}`{self.prog}`; "
                f"{closest(str(value), map(str, action.choices))}"
            )

    def suggest(self, words: Sequence[str]) -> list[str]:
        """List what may stand in the place of the last of the words that follow the command."""
        *before, last = words
        known = self._option_string_actions
        with_value = [word for word in before if word in known and known[word].nargs is None]
        slots = [action for action in self._actions if not action.option_strings]
        place = sum(not word.startswith("-") for word in before) - len(with_value)
        found: Iterable[str] = ()
        if before and before[-1] in with_value:
            found = known[before[-1]].choices or ()
        elif last.startswith("-"):
            found = [name for name in known if name.startswith("--")]
        elif place < len(slots) or (slots and slots[-1].nargs == "*"):
            offered = self.suggested[slots[min(place, len(slots) - 1)]]
            found = [choice for choice in offered if choice not in before]
        return [choice for choice in found if choice.startswith(last)]
