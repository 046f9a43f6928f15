"""The command line: its commands, and which words stand for which.

A command is one line of :data:`COMMANDS` and one function in the module named there:
``"results merge": ("results", ...)`` is ``merge_command`` of ``cdmer_bench/cli/results.py``, which
says above it what it takes (:func:`~cdmer_bench.cli.arguments.command`). Help, misspelt words and
completion follow from this. The commands of :data:`CONFIGURED` get a configuration from Hydra.
"""

# Command: (its module in cdmer_bench.cli, what it does).
COMMANDS = {
    "run": ("run", "run methods on tasks and print their tables"),
    "extract": ("run", "extract descriptors into the cache without running a method"),
    "tables": ("tables", "print Tables III to VII from the results folder"),
    "stats": ("tables", "confidence intervals, paired tests and ranks"),
    "export": ("tables", "write the scores table, or a row for each clip, as CSV, Parquet or JSON"),
    "report": ("plot", "write one self-contained HTML file on the results"),
    "plot": ("plot", "draw results: scores, regions, parameters, confusion, ..."),
    "list": ("list", "list methods, descriptors, tasks, databases, corpora, ..."),
    "check": ("check", "check a method, descriptor or database of your own"),
    "data fetch": ("data", "put the authors' released features in place"),
    "data check": ("data", "say what of the licensed databases is there and what is wrong"),
    "data clips": ("data", "write the clips table that was understood, to look at or to edit"),
    "data synthesize": ("data", "write the synthetic databases as images"),
    "results merge": ("results", "put the results of several machines into one folder"),
    "results prune": ("results", "remove superseded results and failures that no longer stand"),
    "results pack": ("results", "put results without the data into one file to publish"),
    "results verify": ("results", "recompute every figure of a packed file"),
    "audit": ("tables", "check the paper's own tables against themselves"),
    "doctor": ("doctor", "show versions, BLAS, cores and folders"),
    "completion": ("completion", "print the shell code for completion"),
}
CONFIGURED = ("run", "extract")

EPILOG = """\
Try it:
  cdmer run method=tca task=all               the synthetic databases need nothing else
  cdmer run method=svm,tca,gfk task=type1     several methods, one table
  cdmer COMMAND --help                        what a command takes
"""


def usage(first: str = "") -> str:
    """Return the text of `cdmer --help`, or of `cdmer data --help` for ``first="data"``."""
    named = {n: about for n, (_, about) in COMMANDS.items() if not first or first in n.split()[:1]}
    width = max(map(len, named)) + 2
    lines = "".join(f"  {name:<{width}}{about}\n" for name, about in named.items())
    if first:
        more = f"`cdmer {first} ACTION --help` says what an action takes."
        return f"usage: cdmer {first} ACTION ...\n\n{lines}\n{more}\n"
    return (
        "cdmer: the benchmark of cross-database micro-expression recognition\n\n"
        f"usage: cdmer COMMAND ...\n\n{lines}\n{EPILOG}"
    )


def split_command(words: list[str]) -> tuple[str, list[str]]:
    """Split the command, such as ``results merge``, from its arguments."""
    name, *rest = words
    actions = [command.split()[1] for command in COMMANDS if command.startswith(f"{name} ")]
    if name in COMMANDS or (actions and (not rest or rest[0] in ("-h", "--help"))):
        return name, rest
    if actions and rest[0] in actions:
        return f"{name} {rest[0]}", rest[1:]
    from cdmer_bench.errors import UserError, closest

    if actions:
        raise UserError(
            f"{rest[0]!r} is not something `cdmer {name}` can do; {closest(rest[0], actions)}"
        )
    known = [*dict.fromkeys(command.split()[0] for command in COMMANDS), "--help", "--version"]
    raise UserError(f"{name!r} is not a command of cdmer; {closest(name, known)}")
