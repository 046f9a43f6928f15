"""`cdmer extract`: fill the feature cache without running a method."""

from cdmer_bench.cli.console import open_clips_bar, open_steps_bar, say
from cdmer_bench.cli.hydra_app import run_hydra
from cdmer_bench.cli.session import Session
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.errors import DataMissing, UserError


def main(arguments: list[str]) -> int:
    """Run the command."""
    return run_hydra("extract", arguments, extract)


def extract(config: RunConfig) -> int:
    """Extract every chosen descriptor of every database that the chosen tasks need."""
    session = Session.of(config)
    wanted = list(dict.fromkeys(d for t in session.tasks for d in (t.source, t.target)))
    absent = 0
    failed = False
    for name in wanted:
        database = session.databases[name]
        if not isinstance(database, ClipDatabase):
            raise UserError(
                f"the corpus {session.corpus!r} holds features that are already extracted; choose "
                "a corpus of clips, such as corpus=synthetic or corpus=frames"
            )
        tasks = [t for t in session.tasks if name in (t.source, t.target)]
        descriptors = list(
            dict.fromkeys(session.descriptor_for(d, t) for d in config.descriptors for t in tasks)
        )
        reasons: dict[str, list[str]] = {}
        ready: dict[str, bool] = {}
        for descriptor in descriptors:
            try:
                there = session.features.is_ready(name, descriptor)
                if not there:
                    session.make_ready([descriptor], open_steps_bar)
                ready[descriptor] = there
            except UserError as error:
                failed = failed or not isinstance(error, DataMissing)
                reasons.setdefault(str(error), []).append(descriptor)
        for reason, lacking in reasons.items():
            of = name if len(lacking) == len(descriptors) else f"{name}, {', '.join(lacking)}"
            say(f"without data: {of}\n    {reason}")
        if not ready:
            absent += 1
            continue
        missing = [d for d in ready if not ready[d]]
        if missing:
            session.features.extract(database, missing, session.backend, open_clips_bar)
        say(
            f"{database.title or name}: {len(missing)} descriptors extracted, "
            f"{len(ready) - len(missing)} were there already"
        )
    if absent == len(wanted):
        raise DataMissing("nothing that was chosen has its databases and files on this machine")
    return int(failed)
