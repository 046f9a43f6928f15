"""`cdmer extract`: extract descriptors into the cache without running a method."""

from collections.abc import Iterable

from cdmer_bench.cli.console import say
from cdmer_bench.cli.run import NO_DATA, Session
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.errors import DataMissing, UserError
from cdmer_bench.features import Side
from cdmer_bench.runner.cell import counted
from cdmer_bench.runner.forecast import expected_extraction


def extract_command(config: RunConfig) -> int:
    """Extract every chosen descriptor of every database that the chosen tasks need."""
    session = Session(config)
    if not any(isinstance(d, ClipDatabase) for d in session.databases.values()):
        raise UserError(
            f"the corpus {session.corpus!r} holds features that are already extracted; choose "
            "a corpus of clips, such as corpus=synthetic or corpus=frames"
        )
    wanted = dict.fromkeys(
        (name, session.descriptor_for(descriptor, task))
        for task in session.tasks
        for name in (task.source, task.target)
        for descriptor in config.descriptors
    )
    session.check_data(wanted)
    if config.dry_run:
        print_extraction(wanted, session)
        return 0
    extracted, problems = session.extract(wanted)
    usable = [side for side in wanted if side not in problems]
    for name in dict.fromkeys(name for name, _ in usable):
        made = sum(other == name for other, _ in extracted)
        there = sum(other == name for other, _ in usable) - made
        title = session.databases[name].title or name
        say(f"{title}: {counted(made, 'descriptor')} extracted, {there} were there already")
    for reason in dict.fromkeys(map(str, problems.values())):
        mine = ", ".join(" ".join(side) for side, e in problems.items() if str(e) == reason)
        say(f"without features: {mine}: {reason}")
    refused = any(not isinstance(error, DataMissing) for error in problems.values())
    if not usable and refused:
        raise UserError("nothing could be extracted; correct what is named above")
    if not usable:
        raise DataMissing(NO_DATA)
    return int(refused)


def print_extraction(wanted: Iterable[Side], session: Session) -> None:
    """Print how many descriptors of each database are to be extracted, and for how long."""
    ready: dict[str, list[bool]] = {}
    todo: list[Side] = []
    for name, descriptor in wanted:
        try:
            there = session.features.is_ready(name, descriptor)
        except UserError as error:
            print(f"without features: {name} {descriptor}: {error}")
            continue
        ready.setdefault(name, []).append(there)
        todo += [] if there else [(name, descriptor)]
    for name, found in ready.items():
        missing = counted(found.count(False), "descriptor")
        title = session.databases[name].title or name
        print(f"{title}: {missing} to extract, {found.count(True)} are there already")
    for line in expected_extraction(todo, session.features, session.backend):
        print(line)
