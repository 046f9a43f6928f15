"""Compiled kernels, for loops that NumPy cannot do fast; numba is the extra ``fast``.

A kernel is a plain function of arrays and numbers under ``@kernel``. It is compiled when it is
first called, and the result is kept in the cache folder. Each caller also has a NumPy form, for
where :func:`compiled_available` is false; a test holds the two equal.

Rounding: arithmetic is as written, without reordering and without fused multiply-add. NumPy and
BLAS add in other orders (``np.sum`` pairwise), so a kernel gives the same bits as its NumPy form
only where it adds in the same order, or has nothing to add or only whole numbers.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, update_wrapper
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

# Environment variables, so that worker processes have them too.
KERNELS_FOLDER = "CDMER_KERNELS"
RUN = "CDMER_RUN"  # number of the process that the workers belong to


def compiled_available() -> bool:
    """Return whether kernels can be called: numba is installed, and CDMER_NO_NUMBA is not 1."""
    return os.environ.get("CDMER_NO_NUMBA", "") in ("", "0") and find_spec("numba") is not None


def keep_kernels_in(cache: str | Path) -> None:
    """Keep compiled kernels below a cache folder, here and in the worker processes to come."""
    os.environ[KERNELS_FOLDER] = str(Path(cache).expanduser().absolute() / "kernels")
    os.environ[RUN] = str(os.getpid())
    with suppress(OSError):  # of an older process of this number
        if _said().exists():
            _said().unlink()


def kernels_folder() -> Path:
    """Return the folder of compiled kernels."""
    if KERNELS_FOLDER not in os.environ:
        return Path(os.environ.get("CDMER_CACHE", "~/.cache/cdmer-bench")).expanduser() / "kernels"
    return Path(os.environ[KERNELS_FOLDER])


def _said() -> Path:
    """Return the file that marks that a process of this run has announced the compiling."""
    return kernels_folder() / f".said-{os.environ.get(RUN, os.getpid())}"


_KERNELS: "list[Kernel]" = []  # all kernels of this process
_FULL: list[Path] = []  # folders that could not hold what was compiled


class Kernel:
    """A function that numba compiles at its first call.

    A kernel may call other kernels of its module. numba looks at the time of the module's file to
    tell whether a compiled form is still good, so kernels of other modules must not be called.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        update_wrapper(self, function)
        _KERNELS.append(self)

    def __call__(self, *arguments: Any) -> Any:
        """Call the compiled function."""
        try:
            return self.compiled(*arguments)
        except OSError:  # the disk is full, so nothing is kept from now on
            _FULL.append(kernels_folder())
            for made in _KERNELS:
                made.__dict__.pop("compiled", None)
            return self.compiled(*arguments)

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        """What numba makes of the function; machine code is made or read at its first call."""
        import numba
        from numba.core.event import register

        function = self.function
        known = {
            name: value.compiled if isinstance(value, Kernel) else value
            for name, value in function.__globals__.items()
            if name in function.__code__.co_names
        }
        linked = FunctionType(
            function.__code__,
            function.__globals__ | known,
            function.__name__,
            function.__defaults__,
        )
        linked.__qualname__, linked.__module__ = function.__qualname__, function.__module__
        folder, settings = kernels_folder(), vars(numba.config)
        before = settings["CACHE_DIR"]
        kept = _is_writable(folder)
        try:
            settings["CACHE_DIR"] = str(folder)
            made = numba.njit(cache=kept, nogil=True, error_model="numpy")(linked)
        finally:
            settings["CACHE_DIR"] = before
        if not _MADE:
            register("numba:compile", _announcer(folder if kept else None))
        _MADE.append(made)
        return made


def kernel(function: Callable[..., Any]) -> Kernel:
    """Have numba compile a function when it is first called."""
    assert isinstance(function, FunctionType)
    return Kernel(function)


_MADE: list[Any] = []  # the compiled functions of this process


def _announcer(folder: Path | None) -> Any:
    """Return a listener that announces, once a run, that a kernel is being compiled."""
    from numba.core.event import Listener

    class Announcer(Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if self.said or event.data["dispatcher"] not in _MADE:
                return
            self.said = True
            try:
                _said().touch(exist_ok=False)
            except FileExistsError:
                return  # another process of this run was faster
            except OSError:
                pass  # there is no folder for the mark
            where = f"kept in {folder}" if folder else "not kept, as its folder cannot be written"
            print(f"compiling fast loops, some seconds, {where}", file=sys.stderr, flush=True)

        def on_end(self, event: Any) -> None:
            """Say nothing."""

    return Announcer()


def _is_writable(folder: Path) -> bool:
    if folder in _FULL:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
