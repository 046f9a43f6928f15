"""Calls on a dask cluster: many machines that see the same results folder."""

import logging
import os
import platform
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import contextmanager
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from cdmer_bench.errors import UserError
from cdmer_bench.io import clear_errors, open_temporary, remove_leftovers

# Their versions decide the last bits of a result, so that every worker must have the same.
_PACKAGES = ("cdmer-bench", "numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl")
_ANSWER = 30.0  # seconds in which a scheduler must answer, and a cluster without workers get one


@contextmanager
def connect(address: str | None) -> Iterator[Any]:
    """Yield a ``distributed.Client`` of the scheduler at ``address``."""
    if not address:
        raise UserError(
            "backend.address is missing; give the scheduler's, such as "
            "backend.address=tcp://HOST:8786"
        )
    try:
        from distributed import Client
        from distributed.comm import get_address_host
    except ImportError:
        raise UserError(
            "backend=dask needs the package distributed; run pip install distributed"
        ) from None
    # A lost connection ends in an error of one sentence; distributed's log would add tracebacks.
    # Its import gives some of its loggers a level of their own.
    for name in [
        name for name in logging.root.manager.loggerDict if name.startswith("distributed")
    ]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        get_address_host(address)  # a client of what is no address would wait a minute to end
        client = Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"no dask scheduler answers at backend.address={address} ({error}); start one "
            "with `dask scheduler` and give the address that it prints"
        ) from None
    try:
        yield client
    finally:
        client.close()


def count_workers(address: str | None) -> int:
    """Return how many worker processes the cluster has now, at least 1."""
    with connect(address) as client:
        return max(1, len(client.nthreads()))


def _probe(packages: tuple[str, ...], marks: tuple[str, ...]) -> Callable[[], dict[str, Any]]:
    """Return a function to be run on another host.

    It is nested so that it travels as code: a function of this module could not even be
    unpacked on a host without this package, and a scheduler without it never answers.
    """

    def probe() -> dict[str, Any]:
        import importlib.metadata
        import os
        import platform

        found = {"python": platform.python_version()}
        for package in packages:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                found[package] = ""
        return {
            "host": platform.node(),
            "versions": found,
            "unseen": [mark for mark in marks if not os.path.exists(mark)],
        }

    return probe


def check_cluster(
    client: Any,  # distributed.Client
    # the results folder; the workers must see it under the same path. None where it does not matter
    shared: Path | None,
) -> None:
    """Refuse a cluster on which batches would fail, hang, or give other bits."""
    if not client.nthreads():
        _wait_for_a_worker(client)
    for address, threads in sorted(client.nthreads().items()):
        if threads != 1:
            raise UserError(
                f"the dask worker at {address} has {threads} threads, expected 1, because "
                "solvers share random states; start it with --nthreads 1 (--nworkers for more)"
            )
    mark = None
    if shared and shared.is_dir():
        remove_leftovers(shared)
        with clear_errors(shared):
            handle, mark = open_temporary(shared)
    try:
        marks = (mark,) if mark else ()
        _check_host("scheduler", client.run_on_scheduler(_probe(_PACKAGES[:1], ())))
        answers = client.run(_probe(_PACKAGES, marks))
        for address, answer in sorted(answers.items()):
            _check_host(f"worker at {address}", answer)
    finally:
        if mark:
            Path(mark).unlink(missing_ok=True)
            os.close(handle)


def _wait_for_a_worker(client: Any) -> None:
    try:
        client.wait_for_workers(1, timeout=_ANSWER)
    except TimeoutError:
        raise UserError(
            f"the dask cluster at {client.scheduler.address} has no worker; start some with "
            "`dask worker ADDRESS --nthreads 1`, finished work is kept"
        ) from None


def _check_host(role: str, answer: dict[str, Any]) -> None:
    """Compare what a host has with what this process has."""
    who = f"the dask {role} on {answer['host']}"
    for package, found in answer["versions"].items():
        here = platform.python_version() if package == "python" else version(package)
        if found != here:
            raise UserError(
                f"{who} has {f'{package} {found}' if found else f'no {package}'}, expected "
                f"{package} {here} as here, so that results are the same; install it there"
            )
    if answer["unseen"]:
        folder = os.path.dirname(answer["unseen"][0])
        raise UserError(
            f"{who} does not see the folder {folder}; set results.dir to one that all machines "
            "share under the same path"
        )


def _own_modules() -> dict[str, Any]:
    """Return the modules of this process that are neither installed nor Python's."""
    others = {"cdmer_bench", *sys.stdlib_module_names, *packages_distributions()}
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in others
        and not name.startswith("__")
        and getattr(module, "__file__", None)
    }


_PATH = [*sys.path]  # of a worker, before any run
_last_run = ""  # that a worker had a call of


def _run_packed(run: str, folders: list[str], packed: bytes) -> Any:
    """Run a pickled call in a worker; classes of the user's own folders can be imported.

    What a worker imported in another run, perhaps from other folders, may have been edited since.
    """
    import importlib
    import pickle

    global _last_run
    if run != _last_run:
        for name in _own_modules():
            del sys.modules[name]
        importlib.invalidate_caches()
        sys.path[:] = list(dict.fromkeys([*_PATH, *folders]))
        _last_run = run
    function, arguments = pickle.loads(packed)
    return function(*arguments)


def run_on_cluster(
    calls: Iterable[tuple[Callable[..., Any], tuple[Any, ...]]],
    address: str | None,
    shared: Path | None,
) -> Iterator[Any]:
    """Yield the results of calls as they finish; those of a worker that died are run again."""
    with connect(address) as client:
        check_cluster(client, shared)
        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        try:
            yield from _stream(client, iter(calls))
        except KilledWorker as death:
            raise BrokenExecutor(str(death)) from None
        except (CancelledError, CommClosedError, OSError):  # calls keep their own OSErrors
            raise UserError(
                f"the connection to the dask scheduler at {address} was lost; finished work is "
                "kept, start the scheduler and run the same command again"
            ) from None


def _stream(
    client: Any, calls: Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]
) -> Iterator[Any]:
    """Yield results as they come, with two calls a worker on their way.

    Not by joblib's backend for dask, which waits forever where a call could not be run at all:
    its worker died too often, its code cannot be unpacked, or the scheduler is gone (joblib 1.6).
    """
    import cloudpickle
    from distributed import wait

    for module in _own_modules().values():  # not every worker has the user's folders
        cloudpickle.register_pickle_by_value(module)
    run = uuid.uuid4().hex
    folders = [folder for folder in sys.path if folder and Path(folder).is_dir()]
    running: set[Any] = set()
    try:
        while True:
            for call in calls:
                # pure=False: equal calls must not be taken for one.
                running.add(
                    client.submit(_run_packed, run, folders, cloudpickle.dumps(call), pure=False)
                )
                if len(running) >= 2 * max(1, len(client.nthreads())):
                    break
            if not running:
                return
            try:
                with client.as_current():
                    ended = wait(running, timeout=_ANSWER, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                if not client.nthreads():
                    _wait_for_a_worker(client)
                continue
            for future in ended:
                running.discard(future)
                yield future.result()
    finally:
        client.cancel(list(running))
