"""`cdmer extract`: fill the feature cache without running a method."""

from cdmer_bench.cli.console import open_clips_bar, open_steps_bar, say
from cdmer_bench.cli.session import Session
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.databases.base import ClipDatabase
from cdmer_bench.errors import DataMissing, UserError


def extract_command(config: RunConfig) -> int:
    """Extract every chosen descriptor of every database that the chosen tasks need.

    Raises
    ------
    UserError
        If the corpus holds no clips, or none of it is on this machine.
    """
    session = Session.of(config)
    wanted = list(dict.fromkeys(d for t in session.tasks for d in (t.source, t.target)))
    absent, failed = 0, False
    for name in wanted:
        database = session.databases[name]
        if not isinstance(database, ClipDatabase):
            raise UserError(
                f"the corpus {session.corpus!r} holds features that are already extracted; choose "
                "a corpus of clips, such as corpus=synthetic or corpus=frames"
            )
        stored, broken = _ready(session, name)
        failed = failed or broken
        if not stored:
            absent += 1
            continue
        missing = [descriptor for descriptor, there in stored.items() if not there]
        if missing:
            open_bar = open_clips_bar if config.progress else None
            session.features.extract(database, missing, session.backend, open_bar)
        say(
            f"{database.title or name}: {len(missing)} descriptors extracted, "
            f"{len(stored) - len(missing)} were there already"
        )
    if absent == len(wanted):
        raise DataMissing("nothing that was chosen has its databases and files on this machine")
    return int(failed)


def _ready(session: Session, name: str) -> tuple[dict[str, bool], bool]:
    """Return by descriptor that can be used whether it is stored; and if one is broken, True."""
    tasks = [t for t in session.tasks if name in (t.source, t.target)]
    descriptors = list(
        dict.fromkeys(
            session.descriptor_for(d, t) for d in session.config.descriptors for t in tasks
        )
    )
    reasons: dict[str, list[str]] = {}
    stored: dict[str, bool] = {}
    broken = False
    for descriptor in descriptors:
        try:
            there = session.features.is_ready(name, descriptor)
            if not there:
                session.make_ready(
                    [descriptor], open_steps_bar if session.config.progress else None
                )
            stored[descriptor] = there
        except UserError as error:
            broken = broken or not isinstance(error, DataMissing)
            reasons.setdefault(str(error), []).append(descriptor)
    for reason, lacking in reasons.items():
        of = name if len(lacking) == len(descriptors) else f"{name}, {', '.join(lacking)}"
        say(f"without data: {of}\n    {reason}")
    return stored, broken
