"""How the runner tells how far it is."""

from collections.abc import Callable
from dataclasses import dataclass

from cdmer_bench.parallel import OpenBar


@dataclass
class Progressing:
    """Where the runner tells how far it is; both may be left as they are.

    Attributes
    ----------
    open_bar : callable or None
        Called with (title, number of settings) when a cell starts.
    say : callable
        Called with a line for the user.
    """

    open_bar: OpenBar | None = None
    say: Callable[[str], None] = lambda line: None
