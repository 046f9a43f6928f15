"""The sub-commands of `cdmer`, and what may follow each."""

from typing import NamedTuple


class Command(NamedTuple):
    """A sub-command, run by ``main`` of the module of its name in this package.

    Attributes
    ----------
    about : str
        What it does, in a line.
    words : tuple of str
        What may come first after it, where there is a choice.
    """

    about: str
    words: tuple[str, ...] = ()


LISTED = ("methods", "descriptors", "tasks", "databases", "corpora", "selections", "runs")
CHECKED = ("method", "descriptor", "database")
DRAWN = ("regions", "parameters", "confusion", "budget", "scores", "ranks", "plane", "times")
TABLES = ("3", "4", "5", "6", "7", "all")
SHELLS = ("bash", "zsh", "fish")

COMMANDS = {
    "run": Command("run methods on tasks and print their tables (Hydra overrides)"),
    "extract": Command("extract descriptors into the cache without running a method"),
    "tables": Command("print Tables III to VII from the results folder", TABLES),
    "data": Command("fetch, check and synthesize databases", ("fetch", "check", "synthesize")),
    "list": Command(f"list {', '.join(LISTED)}", LISTED),
    "report": Command("write one self-contained HTML file on the results"),
    "stats": Command("confidence intervals, paired tests and ranks"),
    "plot": Command(f"draw results: {', '.join(DRAWN)}", DRAWN),
    "results": Command("merge the results of several machines", ("merge",)),
    "check": Command("check a method, descriptor or database of your own", CHECKED),
    "audit": Command("check the paper's own tables against themselves"),
    "doctor": Command("show versions, BLAS, cores and folders"),
    "completion": Command(f"print the shell code for completion ({', '.join(SHELLS)})", SHELLS),
}
