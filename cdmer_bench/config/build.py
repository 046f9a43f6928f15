"""Objects from configuration cards: databases, descriptors, methods, tasks."""

import dataclasses
import inspect
from collections.abc import Mapping
from importlib import import_module
from itertools import permutations
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from cdmer_bench.config.schema import MethodCard, RunConfig, TaskCard
from cdmer_bench.databases.base import Database
from cdmer_bench.errors import UserError, check_type, closest, nearest, own_code, raised
from cdmer_bench.methods.base import Method
from cdmer_bench.protocol import Task, experiments, is_shipped
from cdmer_bench.protocol import card as shipped_card

T = TypeVar("T")
_OF_CORPUS: dict[str, Any] = {
    "reader": Mapping | None,
    "databases": Mapping | None,
    "synthetic": bool,
    "name": str,
    "title": str,
}


def load_target(target: str, key: str) -> Any:
    """Import the class or function that ``_target_`` of ``key`` names, in a configuration file."""
    module_name, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module_name), name)
    except UserError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"{key}._target_ is {target!r}, which cannot be imported ({error}); give the dotted "
            "path of a class that Python can import from here or from the --config-dir folder"
        ) from None
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{key}._target_ is {target!r}, whose module {module_name} cannot be imported: "
            f"{raised(error)}; correct it there"
        ) from None


def accepted_parameters(target: str, key: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the class or function that ``_target_`` of ``key`` names."""
    factory = load_target(target, key)
    try:
        try:
            return inspect.signature(factory, eval_str=True).parameters
        except NameError:  # a hint that only a type checker can resolve
            return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        raise UserError(
            f"{key}._target_ is {target!r}, which is no class of Python code; give that of one"
        ) from None


def build(
    target: str, parameters: Mapping[str, Any], key: str, kind: type[T], below: str = ".parameters"
) -> T:
    """Build the object of a class ``kind`` that a card at ``key`` describes; check its types."""
    accepted = accepted_parameters(target, key)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    arguments = {}
    for name, value in parameters.items():
        if name not in accepted and not open_ended:
            raise UserError(
                f"{key}{below}.{name} is not a parameter of {target}; {closest(name, accepted)}"
            )
        hint = accepted[name].annotation if name in accepted else Any
        check_type(value, hint, f"{key}{below}.{name}")
        kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        as_tuple = isinstance(value, list) and any(get_origin(kind) is tuple for kind in kinds)
        arguments[name] = tuple(value) if as_tuple else value
    factory = load_target(target, key)
    with own_code(factory, f"{key}: {target}"):
        try:
            built = factory(**arguments)
        except TypeError as error:
            raise UserError(f"{key}: {target} could not be built ({error})") from None
    if not isinstance(built, kind):
        raise UserError(
            f"{key}._target_ is {target}, which is no {kind.__name__}; derive the class from "
            f"{kind.__module__}.{kind.__name__}"
        )
    if not dataclasses.is_dataclass(type(built)):
        raise _no_dataclass(target, key, kind)
    return built


def _no_dataclass(target: str, key: str, kind: type) -> UserError:
    return UserError(
        f"{key}._target_ is {target}, which is no dataclass; put @dataclass above the class, "
        f"because its fields are the {kind.__name__.lower()}'s parameters"
    )


def build_databases(corpus: dict[str, Any]) -> dict[str, Database]:
    """Build each database of a corpus with the corpus's reader.

    The reader gets ``name`` (the key), what the database's own entry or else the corpus says, as
    far as the reader has such a parameter, and everything else under ``corpus.reader``. A reader
    whose file names databases lists them by its method ``listed``; they come first.
    """
    for key, kind in _OF_CORPUS.items():
        if key in corpus:
            check_type(corpus[key], kind, f"corpus.{key}")
    reader = dict(corpus.get("reader") or {})
    target = reader.pop("_target_", None)
    if not isinstance(target, str):
        raise UserError(
            "corpus.reader._target_ is missing; it names the class that reads the databases, "
            "such as cdmer_bench.databases.matfiles.FileFeatureDatabase"
        )
    accepted = accepted_parameters(target, "corpus.reader")
    for name in ("root", "classes", "synthetic"):
        if corpus.get(name) is not None and name in accepted:
            reader.setdefault(name, corpus[name])
    reader = _with_names(reader)
    for name, value in reader.items():
        if name in accepted:
            check_type(value, accepted[name].annotation, f"corpus.reader.{name}")
    databases: dict[str, Database] = {}
    entries = {str(name): entry for name, entry in (corpus.get("databases") or {}).items()}
    listed = getattr(load_target(target, "corpus.reader"), "listed", None)
    for name in (listed(**reader) if listed else ()) or entries:
        entry = entries.get(name) or {}
        key = f"corpus.databases.{name}"
        check_type(entry, Mapping, key)
        for unknown in set(entry) - set(accepted) - {"frame_rate", "citation", "status"}:
            if near := nearest(unknown, accepted):
                raise UserError(f"{key}.{unknown} is not a parameter of {target}; {near.strip()}")
        own = _with_names({k: v for k, v in entry.items() if k in accepted})
        databases[name] = build(target, {"name": name, **reader, **own}, key, Database, below="")
    if not databases:
        raise UserError("corpus.databases is empty; name at least two databases")
    return databases


def _with_names(card: dict[str, Any]) -> dict[str, Any]:
    """Turn classes that are whole numbers into text; of null, those of the corpus are taken."""
    classes = card.get("classes", ())
    if classes is None:
        return {key: value for key, value in card.items() if key != "classes"}
    if "classes" not in card or not isinstance(classes, list | tuple):
        return card
    names = [str(c) if isinstance(c, int) and not isinstance(c, bool) else c for c in classes]
    return {**card, "classes": names}


def label_of_pair(source: Database, target: Database) -> str:
    """Return the column of a pair that is no experiment of the paper, such as ``C → H``."""
    return f"{source.letter or source.name} → {target.letter or target.name}"


def pairs_of(databases: Mapping[str, Database]) -> dict[str, TaskCard]:
    """Return every ordered pair of databases as a task, under the paper's name where it has one."""
    known = {(t.source, t.target): t for t in experiments()}
    found = {}
    for pair in permutations(databases, 2):
        task = known.get(pair)
        found[task.name if task else "__".join(pair)] = TaskCard(task.label if task else "", *pair)
    return found


def build_tasks(config: RunConfig, databases: Mapping[str, Database]) -> list[Task]:
    """Build the tasks; the corpus must hold both databases of each."""
    tasks, chosen, paper = [], config.tasks, experiments()
    if set(chosen) == {t.name for t in paper} and any(t.source not in databases for t in paper):
        chosen = pairs_of(databases)  # ``task=all`` of other databases than the paper's
    for name, card in chosen.items():
        for side, database in (("source", card.source), ("target", card.target)):
            if database not in databases:
                raise UserError(
                    f"tasks.{name}.{side} is {database!r}, which the corpus "
                    f"{config.corpus.get('name')!r} does not hold; give task=SOURCE/TARGET of "
                    f"its databases, {closest(database, databases)}"
                )
        label = card.label or label_of_pair(databases[card.source], databases[card.target])
        tasks.append(Task(name, label, card.source, card.target))
    if not tasks:
        raise UserError(
            "no task was chosen; give task=exp01 to exp12, type1, type2, all or source/target"
        )
    return tasks


def choose_grid(
    name: str, card: MethodCard, paper_grid: Mapping[str, Any], config: RunConfig
) -> tuple[str, dict[str, Any]]:
    """Return the grid's name and its values for one method.

    ``grid=reduced`` takes the grid of that name where the method's card has one, else the
    card's main grid. That is called ``paper`` if it is ``paper_grid``, ``full`` if it is another
    that the package's card of that name has, else ``own``.
    """
    if config.grid != "paper" and config.grid in card.grids:
        return config.grid, dict(card.grids[config.grid])
    known = {g for c in config.methods.values() for g in c.grids} | {"paper"}
    if config.grid not in known:
        raise UserError(
            f"grid is {config.grid!r}, which no chosen method has; {closest(config.grid, known)}"
        )
    if card.grid == paper_grid:
        return "paper", dict(card.grid)
    shipped = shipped_card("method", name) if is_shipped("method", name) else {}
    return ("full" if card.grid == shipped.get("grid") else "own"), dict(card.grid)


def _check_dataclass(factory: Any, target: str, key: str) -> None:
    """Refuse a class whose annotated fields are no parameters, for want of @dataclass."""
    if not isinstance(factory, type) or "__dataclass_fields__" in vars(factory):
        return
    hints = vars(factory).get("__annotations__", {})
    fields = any("ClassVar" not in str(hint) for hint in hints.values())
    if fields and issubclass(factory, Method) and "__init__" not in vars(factory):
        raise _no_dataclass(target, key, Method)


def build_method(name: str, card: MethodCard, solver: str | None, **outside: Any) -> Method:
    """Build a method with the run's solver and, where its card has none, its device and cache."""
    parameters, key = dict(card.parameters), f"methods.{name}"
    if solver and "solver" in accepted_parameters(card._target_, key):
        parameters["solver"] = solver
    known = getattr(load_target(card._target_, key), "outside", ())
    given = {field: value for field, value in outside.items() if field in known}
    _check_dataclass(load_target(card._target_, key), card._target_, key)
    method = build(card._target_, given | parameters, key, Method)
    with own_code(method, f"{key}: {card._target_}"):
        method.check_values({n: value for n, value in parameters.items() if n not in known})
    return method
