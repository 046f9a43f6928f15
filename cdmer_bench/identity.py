"""What stands for a piece of code in a key: its version in this package, its source outside.

An edited comment in this package must not make results of a year old, so its classes carry a
``version`` that is raised when their numbers change. Nobody raises versions in a folder of his
own, so there the source of a class's module counts, and of every module that it imports from
outside installed packages.
"""

import ast
import hashlib
import py_compile
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def identity(part: Any, *targets: str) -> dict[str, Any]:
    """Return what tells a method, descriptor, preprocessing or reader from others."""
    kind = type(part)
    parameters = part.parameters() if hasattr(part, "parameters") else {}
    named = [target.rpartition(".")[0] for target in targets]
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "version": getattr(kind, "version", 1),
        "parameters": parameters,
        "code": code_hash([kind.__module__, *named], texts_of(parameters)),
    }


def code_hash(
    modules: Iterable[str],  # names of modules whose source counts wherever they lie
    # texts, such as a parameter that names an estimator: where one is the dotted path of something
    # in a folder of the user's own, that module counts too
    mentioned: Iterable[str] = (),
) -> str:
    """Return the SHA-256 of modules outside this package and of all that they import."""
    own = {name.partition(".")[0] for name in modules} - _OURS
    sources: dict[str, bytes] = {}
    waiting = [*modules]
    for text in mentioned:
        waiting += _prefixes(text) if _DOTTED.fullmatch(text) else []
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in sources or top in _OURS:
            continue
        path = _find(name)
        if path is None or (top not in own and not _INSTALLED.isdisjoint(path.parts)):
            continue
        sources[name] = path.read_bytes()
        waiting += _prefixes(name)
        if path.suffix == ".py":
            _compile_by_content(path)
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            waiting += _imports(sources[name], package)
    if not sources:
        return ""
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(f"{name}\0{len(sources[name])}\0".encode() + sources[name])
    return digest.hexdigest()


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text in plain values, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item)


_INSTALLED = {"site-packages", "dist-packages"}
_OURS = {"cdmer_bench", "__main__", *sys.stdlib_module_names}


def _prefixes(name: str) -> list[str]:
    """Return the packages that a dotted name lies in."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _find(name: str) -> Path | None:
    """Return the file of a module without importing it; None if there is none."""
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None)
    if module is None:
        places = None
        for package in [*_prefixes(name), name]:
            spec = PathFinder.find_spec(package, places)
            if spec is None:
                return None
            places, origin = spec.submodule_search_locations, spec.origin
    path = Path(origin) if origin else None
    return path if path is not None and path.is_file() else None


def _compile_by_content(path: Path) -> None:
    """Make Python recompile a module when the content of its source changes.

    By default it compares the time in seconds and the size, which an edit may leave as they were;
    another process would then compute with code that is not the code of its key.
    """
    compiled = Path(cache_from_source(path))
    with suppress(OSError, py_compile.PyCompileError):
        if compiled.read_bytes()[4:8] == bytes(4):  # known by time and size
            checked = py_compile.PycInvalidationMode.CHECKED_HASH
            py_compile.compile(str(path), doraise=True, invalidation_mode=checked)


def _imports(source: bytes, package: str) -> set[str]:
    """Return the modules that a source may import, by statements anywhere in it and by name."""
    found: set[str] = set()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*above, node.module or ""] if node.level else [node.module or ""]
            module = ".".join(part for part in base if part)
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            name = node.args[0]
            if called in ("import_module", "__import__") and isinstance(name, ast.Constant):
                found.add(str(name.value))
    return {name for name in found if name}
