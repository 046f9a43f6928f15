"""Objects from configuration cards: databases, descriptors, methods, tasks."""

import dataclasses
import inspect
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeVar

from cdmer_bench.config.schema import MethodCard, RunConfig
from cdmer_bench.databases.base import Database
from cdmer_bench.errors import UserError, closest
from cdmer_bench.methods.base import Method
from cdmer_bench.protocol import Task

T = TypeVar("T")


def load_target(target: str, key: str) -> Any:
    """Import the class or function that ``_target_`` of ``key`` names.

    Only configuration files in this package, in installed packages that registered themselves
    and in the folder given by ``--config-dir`` can name a class; files of data or results never.

    Raises
    ------
    UserError
        If it cannot be found.
    """
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module_name), name)
    except UserError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"{key}._target_ is {target!r}, which cannot be imported ({error}); give the dotted "
            "path of a class that Python can import from here or from the --config-dir folder"
        ) from None
    except Exception as error:
        raise UserError(
            f"{key}._target_ is {target!r}, whose module {module_name} cannot be imported: "
            f"{_first_fault(error)}; correct it there"
        ) from None
    return found


def _first_fault(error: Exception) -> str:
    """Say what an exception of a module being imported is, and where."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{text} ({frame.filename}, line {frame.lineno})"


def accepted_parameters(target: str, key: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the class or function that ``_target_`` of ``key`` names.

    Raises
    ------
    UserError
        If it cannot be found, or is nothing that can be called with known parameters.
    """
    factory = load_target(target, key)
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        raise UserError(
            f"{key}._target_ is {target!r}, which is no class of Python code; give that of one"
        ) from None


def build(target: str, parameters: dict[str, Any], key: str, kind: type[T]) -> T:
    """Build the object that a card describes.

    Parameters
    ----------
    target : str
        Dotted path of a class or function.
    parameters : dict
        Its arguments.
    key : str
        Where the card stands in the configuration, for messages.
    kind : type
        What must come of it.

    Raises
    ------
    UserError
        If ``target`` cannot be imported, has no such parameter, refuses its value or is of
        another kind.
    """
    accepted = accepted_parameters(target, key)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    for name in parameters:
        if name not in accepted and not open_ended:
            raise UserError(
                f"{key}.parameters.{name} is not a parameter of {target}; {closest(name, accepted)}"
            )
    try:
        built = load_target(target, key)(**parameters)
    except TypeError as error:
        raise UserError(f"{key}: {target} could not be built ({error})") from None
    if not isinstance(built, kind):
        raise UserError(
            f"{key}._target_ is {target}, which is no {kind.__name__}; derive the class from "
            f"{kind.__module__}.{kind.__name__}"
        )
    return built


def build_databases(corpus: dict[str, Any]) -> dict[str, Database]:
    """Build each database of a corpus with the corpus's reader.

    The reader gets ``name`` (the key), what the database's own entry says as far as the reader
    has such a parameter, and everything else under ``corpus.reader``. A reader whose file names
    databases lists them by its method ``listed``; they come before those of the configuration.

    Raises
    ------
    UserError
        If there is no reader, no database, or the reader refuses what is said of one.
    """
    reader = dict(corpus.get("reader") or {})
    target = reader.pop("_target_", None)
    if not isinstance(target, str):
        raise UserError(
            "corpus.reader._target_ is missing; it names the class that reads the databases, "
            "such as cdmer_bench.databases.matfiles.FileFeatureDatabase"
        )
    databases: dict[str, Database] = {}
    accepted = accepted_parameters(target, "corpus.reader")
    entries = dict(corpus.get("databases") or {})
    listed = getattr(load_target(target, "corpus.reader"), "listed", None)
    names = listed(**reader) if listed else []
    for name in dict.fromkeys([*names, *entries]):
        entry = entries.get(name)
        own = {k: v for k, v in (entry or {}).items() if k in accepted}
        if own.get("classes") is None:
            own.pop("classes", None)
        else:
            own["classes"] = tuple(str(c) for c in own["classes"])
        if "synthetic" in accepted:
            own["synthetic"] = bool(corpus.get("synthetic", False))
        arguments = {"name": name, **reader, **own}
        databases[name] = build(target, arguments, f"corpus.databases.{name}", Database)
    if not databases:
        raise UserError("corpus.databases is empty; name at least two databases")
    return databases


def build_tasks(config: RunConfig, databases: dict[str, Database]) -> list[Task]:
    """Build the tasks.

    Raises
    ------
    UserError
        If there is none, or the corpus does not hold both databases of one.
    """
    tasks = []
    for name, card in config.tasks.items():
        for side, database in (("source", card.source), ("target", card.target)):
            if database not in databases:
                raise UserError(
                    f"tasks.{name}.{side} is {database!r}, which the corpus "
                    f"{config.corpus.get('name')!r} does not hold; give task=SOURCE/TARGET of "
                    f"its databases, {closest(database, databases)}"
                )
        source, target = databases[card.source], databases[card.target]
        arrow = f"{source.letter or source.name} → {target.letter or target.name}"
        tasks.append(Task(name, card.label or arrow, card.source, card.target))
    if not tasks:
        raise UserError(
            "no task was chosen; give task=exp01 to exp12, type1, type2, all or source/target"
        )
    return tasks


def choose_grid(
    card: MethodCard, paper_grid: Mapping[str, Any], config: RunConfig
) -> tuple[str, dict[str, Any]]:
    """Return the grid's name and its values for one method.

    ``grid=reduced`` takes the grid of that name where the method's card has one, else the
    card's main grid. That is called ``paper`` if it is ``paper_grid``, else ``own``.

    Raises
    ------
    UserError
        If no chosen method has a grid of that name.
    """
    if config.grid != "paper" and config.grid in card.grids:
        return config.grid, dict(card.grids[config.grid])
    known = {g for c in config.methods.values() for g in c.grids} | {"paper"}
    if config.grid not in known:
        raise UserError(
            f"grid is {config.grid!r}, which no chosen method has; {closest(config.grid, known)}"
        )
    return ("paper" if dict(card.grid) == paper_grid else "own"), dict(card.grid)


def build_method(name: str, card: MethodCard, solver: str | None) -> Method:
    """Build a method.

    Parameters
    ----------
    name : str
        Its key in the configuration.
    card : MethodCard
    solver : str or None
        In the place of the card's own, for the methods that have such a parameter.

    Raises
    ------
    UserError
        If the class cannot be built, or a parameter holds a value of a wrong type.
    """
    parameters = dict(card.parameters)
    key = f"methods.{name}"
    if solver and "solver" in accepted_parameters(card._target_, key):
        parameters["solver"] = solver
    method = build(card._target_, parameters, key, Method)
    if not dataclasses.is_dataclass(method):
        raise UserError(
            f"{key}._target_ is {card._target_}, which is no dataclass; put @dataclass above the "
            "class, because its fields are the method's parameters"
        )
    method.check_values(parameters)
    return method
