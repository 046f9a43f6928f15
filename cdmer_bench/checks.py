"""Checks of a contribution against what the package relies on, each with its outcome."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from cdmer_bench.errors import DataMissing, UserError


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check."""

    name: str
    passed: bool
    reason: str  # one sentence: what holds, or what was found instead


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    name: str
    promise: str  # the sentence that is true if the check passes
    # returns None, or a sentence that says what is wrong. An exception is a failure too
    find: Callable[[], str | None]

    def run(self) -> Outcome:
        """Perform the check; a RuntimeWarning (overflow, division by zero) fails it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                wrong = self.find()
        except DataMissing:
            raise
        except UserError as error:
            wrong = str(error)
        except Exception as error:
            wrong = f"it raised {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return Outcome(self.name, wrong is None, self.promise if wrong is None else wrong)
