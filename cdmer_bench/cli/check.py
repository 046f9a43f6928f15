"""`cdmer check`: does a method, descriptor or database of yours keep what the package relies on?"""

import argparse
from collections.abc import Iterator

from cdmer_bench.cli.arguments import command, option
from cdmer_bench.cli.hydra_app import compose_config
from cdmer_bench.config.build import build, build_databases, build_method, choose_grid
from cdmer_bench.config.schema import RunConfig
from cdmer_bench.errors import Check, DataMissing, UserError, closest


@command(
    option("kind", choices=("method", "descriptor", "database"), help="what to check"),
    option("name", help="its name in the configuration; a database's, in its corpus"),
    option(
        "overrides",
        nargs="*",
        default=[],
        help="such as corpus=NAME, descriptor=NAME, solver=exact",
    ),
    epilog="such as: cdmer check method my_method --config-dir my_conf",
)
def check_command(options: argparse.Namespace) -> int:
    """Check that a method, descriptor or database of yours keeps what the package relies on.

    The exit code is 0 if every check passed, 1 if one failed, 2 if none could be made.
    """
    kind, name, overrides = options.kind, options.name, list(options.overrides)
    if kind != "database":
        overrides.append(f"{kind}={name}")
    config = compose_config(options.config_dir, overrides)
    n_failed, n_missing = 0, 0
    for title, checks in _checks(config, kind, name):
        try:
            n_failed += _report(title, checks)
        except DataMissing as missing:
            print(f"not checked, because it is not on this machine: {missing}")
            n_missing += 1
    return 1 if n_failed else 2 if n_missing else 0


def _checks(config: RunConfig, kind: str, name: str) -> Iterator[tuple[str, list[Check]]]:
    """Yield what is checked, such as ``method svm``, with its checks."""
    if kind == "method":
        from cdmer_bench.methods.checks import MethodChecks

        for method_name, method_card in config.methods.items():
            method = build_method(method_name, method_card, config.solver)
            grid = choose_grid(method_name, method_card, method.paper_grid, config)[1]
            yield f"method {method_name}", MethodChecks(method, grid).checks()
    elif kind == "descriptor":
        from cdmer_bench.descriptors.base import Descriptor
        from cdmer_bench.descriptors.checks import descriptor_checks

        for descriptor_name, card in config.descriptors.items():
            key = f"descriptors.{descriptor_name}"
            if not card._target_:
                raise UserError(
                    f"{key} stands for features of files, which nothing extracts; check their "
                    "database instead: cdmer check database NAME corpus=..."
                )
            built = build(card._target_, card.parameters, key, Descriptor)
            yield f"descriptor {descriptor_name}", descriptor_checks(built)
    else:
        from cdmer_bench.databases.checks import database_checks

        databases = build_databases(config.corpus)
        if name not in databases:
            raise UserError(
                f"the corpus {config.corpus.get('name')!r} has no database {name!r}; "
                f"{closest(name, databases)}"
            )
        yield f"database {name}", database_checks(databases[name], list(config.descriptors))


def _report(title: str, checks: list[Check]) -> int:
    """Perform the checks, print a line for each, each reason once; return how many failed."""
    print(title)
    width = max(len(check.name) for check in checks)
    failed = 0
    first_with: dict[str, str] = {}
    for check in checks:
        wrong = check.run()
        reason = check.promise if wrong is None else wrong
        if wrong is not None:
            failed += 1
            first = first_with.setdefault(wrong, check.name)
            reason = wrong if first == check.name else f"the same as {first!r}"
        print(
            f"  {'pass' if wrong is None else 'FAIL'}  {check.name:<{width}}  {reason}", flush=True
        )
    print(f"{len(checks) - failed} of {len(checks)} checks passed")
    return failed
