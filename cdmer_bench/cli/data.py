"""`cdmer data`: fetch, check, list and synthesize databases."""

import argparse
import json
import os
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdmer_bench.cli.arguments import command, option
from cdmer_bench.cli.console import ProgressBar, say
from cdmer_bench.errors import DataMissing, UserError, closest, is_ours, own_code
from cdmer_bench.io import user_path, visible

if TYPE_CHECKING:
    from cdmer_bench.databases.base import Finding


@command(
    option("what", choices=["released"], help="the authors' LBP-TOP features"),
    option("--from", dest="source", metavar="DIR", help="a folder that has the files already"),
    option(
        "--to",
        metavar="DIR",
        help="where to put them (default: released in $CDMER_DATA or ~/.local/share/cdmer-bench)",
    ),
)
def fetch_command(options: argparse.Namespace) -> int:
    """Copy or download the released features; exit code 2 if none is usable."""
    from cdmer_bench.databases.fetch import fetch_released

    data = user_path(os.environ.get("CDMER_DATA", "~/.local/share/cdmer-bench"))
    destination = Path(options.to) if options.to else data / "released"
    results = fetch_released(destination, options.source)
    usable = [result for result in results if result.usable]
    print(f"{len(usable)} of {len(results)} files are in {destination}")
    if options.to and usable:
        print(f"use them with corpus=released corpus.root={shlex.quote(str(destination))}")
    return 0 if usable else 2


@command(
    option("overrides", nargs="*", default=[], help="such as corpus.root=DIR or database=casme2"),
    option("--format", default="text", choices=["text", "json"], help="text (default) or json"),
    option(
        "--quick",
        action="store_true",
        help="open no image: only empty and missing files are noticed",
    ),
)
def check_command(options: argparse.Namespace) -> int:
    """Check frames or files of features; exit code 0 only if a run can use all of it, else 2."""
    from cdmer_bench.databases.base import ClipDatabase, FeatureDatabase, finding
    from cdmer_bench.databases.checks import check_clips
    from cdmer_bench.databases.clips import TableDatabase
    from cdmer_bench.databases.frame_checks import check_frames, grouped

    as_json = options.format == "json"
    root, databases, others = _databases(options)
    if all(isinstance(database, TableDatabase) for database in databases):
        check = check_frames(root, databases, not options.quick, others)
        print(json.dumps(check.as_dict(), indent=1) if as_json else visible(check.text()))
        return 0 if check.passed else 2
    found: list[Finding] = []
    for database in databases:
        held = database.held() if isinstance(database, FeatureDatabase) else [None]
        if not held:
            found.append(finding("no-features", database.title))
        for descriptor in held:
            try:
                with own_code(database, f"reading {database.title or database.name}"):
                    account = database.account(descriptor)
            except UserError as error:
                found.append(finding("unreadable", database.title, reason=error))
                continue
            found += account.findings
            if isinstance(database, ClipDatabase):
                # What this package draws itself can always be read.
                found += check_clips(database, not options.quick and not is_ours(database))
            if not as_json:
                print(visible(account.line() + (f" ({descriptor})" if descriptor else "")))
    if as_json:
        print(json.dumps([one.as_dict() for one in found], indent=1))
    else:
        print(*(map(visible, grouped(found)) if found else ["no finding"]), sep="\n")
    return 2 if any(one.severity == "error" for one in found) else 0


@command(
    option("overrides", nargs="*", default=[], help="such as corpus.root=DIR or database=casme2"),
    option("--out", metavar="FILE.csv", help="where to write (default: standard output)"),
)
def clips_command(options: argparse.Namespace) -> int:
    """Write the clips that were understood as a table; exit code 2 if a finding is an error.

    What was noticed goes to standard error. Where nothing was understood, the table holds every
    folder of images, for subjects and labels to be written in. Use it with corpus=clips
    corpus.table=FILE.csv.
    """
    import pandas as pd

    from cdmer_bench.databases.clips import TableDatabase, relative_to, write_table
    from cdmer_bench.databases.frame_checks import grouped
    from cdmer_bench.databases.frames import FrameDatabase

    named = any(word.startswith("database=") for word in options.overrides)
    _, databases, others = _databases(options)
    if not all(isinstance(database, TableDatabase) for database in databases + others):
        raise UserError("this corpus holds no frames; give corpus=frames or corpus=clips")
    findings: list[Finding] = []
    tables = []
    for database in databases:
        name = database.name
        rows = database.rows()
        if isinstance(database, FrameDatabase) and rows.empty:
            if not named and database.read().is_absent:
                say(f"{database.title or name}: nothing of it is there")
                continue
            rows = database.draft_rows()
            say(f"{name}: no clip was understood; write subject and label into each row")
        say(f"{database.title or name}: {len(rows)} rows")
        tables.append(rows)
        findings += database.findings
    if not tables:
        raise DataMissing(
            "nothing of these databases is there; give the folder with corpus.root=DIR, or start a "
            "table of all folders of images with database=NAME"
        )
    table = pd.concat([rows for rows in tables if not rows.empty] or tables[:1])
    if options.out:
        write_table(table, Path(options.out))
        table_word = shlex.quote(f"corpus.table={options.out}")
        say(f"wrote {options.out}; use it with corpus=clips {table_word}")
    else:
        print(relative_to(table, Path()).to_csv(index=False), end="")
    for line in grouped([one for one in findings if one.severity != "note"]):
        say(line)
    return 2 if any(one.severity == "error" for one in findings) else 0


def _databases(options: argparse.Namespace) -> tuple[str, list[Any], list[Any]]:
    """Return the root, the databases that the words on the line name, and others of the corpus."""
    from cdmer_bench.cli.hydra_app import compose_config
    from cdmer_bench.config.build import build_databases
    from cdmer_bench.databases.clips import ClipsDatabase, read_table

    named = [word for word in options.overrides if word.startswith("database=")]
    overrides = [word for word in options.overrides if word not in named]
    if not any(o.startswith("corpus=") for o in overrides):
        overrides = ["corpus=frames", *overrides]
    config = compose_config(options.config_dir, overrides)
    known: dict[str, Any] = dict(build_databases(config.corpus))
    tables = [d for d in known.values() if isinstance(d, ClipsDatabase)]
    if tables:
        held = ClipsDatabase.listed(tables[0].table)
        read_table(tables[0].path)  # raises what is wrong with an absent or damaged table
        known = {name: database for name, database in known.items() if name in held}
    chosen = [n for word in named for n in word.partition("=")[2].strip("[]").split(",")]
    for name in chosen:
        if name not in known:
            raise UserError(f"database is {name!r}; {closest(name, known)}")
    databases = [known.pop(name) for name in dict.fromkeys(chosen or list(known))]
    return str(config.corpus.get("root", ".")), databases, list(known.values())


@command(
    option("--out", required=True, metavar="DIR", help="the folder to write, made if needed"),
    option("--format", default="png", choices=["png", "jpg", "bmp"], help="default: png"),
    option("--seed", type=int, default=0, metavar="N", help="other people and events (default: 0)"),
    option(
        "--databases",
        default="casme2,smic_hs,smic_vis,smic_nir",
        metavar="NAMES",
        help="with commas between (default: all four)",
    ),
    option("--n-jobs", type=int, default=-1, metavar="N", help="processes (default: all cores)"),
)
def synthesize_command(options: argparse.Namespace) -> int:
    """Write the synthetic databases as images."""
    from cdmer_bench.cli.hydra_app import compose_config
    from cdmer_bench.config.build import build_databases
    from cdmer_bench.databases.synthetic.database import SyntheticDatabase
    from cdmer_bench.databases.synthetic.export import export_database
    from cdmer_bench.parallel import Backend

    backend = Backend("loky", options.n_jobs)
    config = compose_config(None, ["corpus=synthetic", f"corpus.seed={options.seed}"])
    databases = build_databases(config.corpus)
    names = options.databases.split(",")
    for name in names:
        if name not in databases:
            raise UserError(f"--databases: {name!r} is unknown; {closest(name, databases)}")
    for database in map(databases.get, names):
        assert isinstance(database, SyntheticDatabase)
        with closing(ProgressBar(database.title, len(database.clips()), "clips")) as bar:
            export_database(
                database,
                Path(options.out),
                format=options.format,
                backend=backend,
                progress=bar.advance,
            )
    say(f"wrote synthetic databases to {options.out}")
    return 0
