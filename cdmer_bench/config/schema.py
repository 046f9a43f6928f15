"""The typed shape of a run's configuration, and errors that name the full key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from operator import attrgetter
from typing import Any, get_args, get_origin

from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)
from yaml import YAMLError

from cdmer_bench.config import CHOICES, LISTED
from cdmer_bench.errors import UserError, closest, found_text


@dataclass
class DescriptorCard:
    """A descriptor as its YAML describes it."""

    _target_: str = ""  # dotted path of the class; empty for features that come from files
    label: str = MISSING  # its row in tables
    title: str = ""  # for people
    citation: str = ""  # for people
    # arguments of the class, the same for all settings
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class MethodCard(DescriptorCard):
    """A method as its YAML describes it."""

    _target_: str = MISSING
    # parameter to values, or to a range in the paper's notation, or ``all``
    grid: dict[str, Any] = field(default_factory=dict)
    # further grids by name, chosen by ``grid=NAME``
    grids: dict[str, Any] = field(default_factory=dict)


@dataclass
class PreprocessingCard:
    """What happens to a clip before its descriptor."""

    _target_: str = MISSING  # dotted path of the class
    title: str = ""
    crop: str = "none"  # face: the face is found and cut out of the frames first
    parameters: dict[str, Any] = field(default_factory=dict)  # arguments of the class


@dataclass
class TaskCard:
    """A source and a target database, by their keys in the corpus."""

    label: str = ""  # its column in tables; empty: from the letters of both databases
    source: str = MISSING
    target: str = MISSING


@dataclass
class SelectionCard:
    """The rule by which a table picks one setting of a grid."""

    name: str = MISSING  # A key of ``cdmer_bench.evaluation.selection.RULES``
    title: str = ""  # for people
    citation: str = ""  # for people
    parameters: dict[str, Any] = field(default_factory=dict)  # options of the rule


@dataclass
class BackendCard:
    """Where batches are run."""

    name: str = MISSING  # ``loky``, ``sequential`` or ``dask``
    address: str | None = None  # of the dask scheduler


@dataclass
class ResultsCard:
    """The results folder."""

    dir: str = "results"


@dataclass
class DataCard:
    """What is done where the data are not what they should be: stop, or ignore."""

    errors: str = "stop"


@dataclass
class CacheCard:
    """The folder of extracted features."""

    dir: str = "~/.cache/cdmer-bench"


@dataclass
class C3DCard:
    """Weights and input of the deep descriptors; ``conf/run.yaml`` says what each key means."""

    weights: str | None = None
    weights_ucf101: str | None = None
    weights_finetuned: str | None = None
    pool5: str = "auto"
    mean: Any = "auto"
    frames: str = "as_is"
    device: str = "auto"
    batch_size: int = 8
    width: float = 1.0
    finetuned_on: str = "smic_hs"
    finetune: dict[str, Any] = field(default_factory=dict)


@dataclass
class RunConfig:
    """The whole configuration of a run; ``conf/run.yaml`` says what each key means."""

    corpus: dict[str, Any] = field(default_factory=dict)
    preprocessing: PreprocessingCard = field(default_factory=PreprocessingCard)
    descriptors: dict[str, DescriptorCard] = field(default_factory=dict)
    methods: dict[str, MethodCard] = field(default_factory=dict)
    tasks: dict[str, TaskCard] = field(default_factory=dict)
    selection: SelectionCard = field(default_factory=SelectionCard)
    backend: BackendCard = field(default_factory=BackendCard)
    results: ResultsCard = field(default_factory=ResultsCard)
    cache: CacheCard = field(default_factory=CacheCard)
    data: DataCard = field(default_factory=DataCard)
    c3d: C3DCard = field(default_factory=C3DCard)
    grid: str = "paper"
    solver: str | None = None
    n_jobs: int = -1
    device: str = "auto"
    selection_inputs: Any = False
    plane: bool = True
    force: bool = False
    dry_run: bool = False
    only: dict[str, list[str]] = field(default_factory=dict)
    against: str | None = None
    progress: bool = True
    notes: bool = False


_OPEN = ("grid", "only", "settings")  # keys below which the user may add more


def validate(config: DictConfig) -> RunConfig:
    """Check a composed configuration against :class:`RunConfig`; an error names the full key."""
    for group, key in LISTED.items():
        if group in config:
            raise UserError(
                f"the YAML of this {group} puts its content under '{group}', expected "
                f"'{key}.<name>': begin the file with the line '# @package {key}.<name>'"
            )
    try:
        _check_shape(config, RunConfig, "")
        merged = OmegaConf.merge(OmegaConf.structured(RunConfig), config)
        OmegaConf.resolve(merged)
        result = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from None
    assert isinstance(result, RunConfig)
    for key, choices in CHOICES.items():
        value = attrgetter(key)(result)
        if value is not None and value not in choices:
            raise UserError(f"{key} is {value!r}; {closest(value, choices)}")
    return result


def _check_shape(node: Any, hint: Any, key: str) -> None:
    """Refuse a value where keys belong, and a number as text: OmegaConf makes 1000.0 of 1e3."""
    if isinstance(node, DictConfig) and node._is_missing():
        return
    if is_dataclass(hint) or get_origin(hint) is dict:
        known = {f.name: f.type for f in fields(hint)} if is_dataclass(hint) else {}
        if not isinstance(node, DictConfig) or node._is_none():
            raise UserError(_needs_keys(node, key, list(known)))
        inner = known or dict.fromkeys(map(str, node), get_args(hint)[1])
        for name, below in inner.items():
            if name in node and not OmegaConf.is_missing(node, name) and below is not Any:
                _check_shape(node[name], below, f"{key}.{name}".lstrip("."))
    elif hint in (str, str | None) and isinstance(node, bool | int | float):
        raise UserError(
            f"{key} is {found_text(node)}, expected text; if that was meant, put it in quotes"
        )


def _needs_keys(value: Any, key: str, known: list[str]) -> str:
    plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    found = found_text(plain)
    text = f"{key} is {found}, expected keys of its own"
    group = key.removesuffix("s")
    if group in LISTED and isinstance(plain, str):
        return f"{text}; give {group}={plain}"
    if len(known) == 1:
        given = plain if isinstance(plain, str) else found
        return f"{text}; give {key}.{known[0]}={given}"
    return text + (f"; give one of {key}.{', .'.join(known)}" if known else "")


def explain(
    error: Exception,  # of YAML, Hydra or OmegaConf
    options_of: Callable[[str], Sequence[str]] = lambda group: [],  # names of a group's options
) -> str:
    """Put what is wrong in a configuration into one sentence, with the closest names."""
    if isinstance(error, HydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        error = error.__cause__
    if isinstance(error, OmegaConfBaseException):
        return _explain_key(error)
    if not isinstance(error, YAMLError | UnicodeDecodeError):
        return _explain_words(error, options_of)
    mark = getattr(error, "problem_mark", None)
    place = f"{mark.name}, line {mark.line + 1}" if mark else "a configuration file"
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{place} is not plain YAML: {reason}; correct it there"


def _explain_words(error: Exception, options_of: Callable[[str], Sequence[str]]) -> str:
    if missing := getattr(error, "missing_cfg_file", None):
        group, _, name = str(missing).removesuffix(".yaml").rpartition("/")
        # Hydra does not list the options where a name in a list was wrong.
        options = getattr(error, "options", None) or options_of(group)
        if not options:
            return f"{str(missing)!r} was not found among the configuration files"
        kind = group or "configuration"
        article = "an" if kind[0] in "aeiou" else "a"
        return f"{name!r} is not {article} {kind}; {closest(name, options)}"
    text = str(error).strip()
    first = text.splitlines()[0].rstrip(".") if text else type(error).__name__
    if "Ambiguous value" in first:
        return f"{first}; write a list as key=[a,b], or add -m to run one job for each value"
    return f"{first}; `cdmer run --cfg job` shows the configuration's keys"


def _explain_key(error: OmegaConfBaseException) -> str:
    key = getattr(error, "full_key", None) or getattr(error, "key", None) or "the configuration"
    reason = str(getattr(error, "msg", None) or error).splitlines()[0].strip().rstrip(".")
    if isinstance(error, MissingMandatoryValue):
        return f"{key} has no value; give it one in its YAML or on the command line"
    if isinstance(error, ConfigKeyError | ConfigAttributeError) or "not in struct" in reason:
        parent = getattr(error, "parent_node", None)
        known = [str(k) for k in parent] if isinstance(parent, DictConfig) else []
        name = str(getattr(error, "key", key))
        if "selection" in known:  # at the top: groups are chosen there too
            known += {*LISTED, "experiment"} - {name}
        hint = closest(name, known) if known else ""
        if str(key).rpartition(".")[0].rpartition(".")[2] in _OPEN:
            hint = f"{hint}{'; ' if hint else ''}write +{key}=VALUE to add it"
        return f"{key} is not a key of the configuration; {hint or 'check its spelling'}"
    if isinstance(error, ValidationError):
        return f"{key}: {reason}; give a value of the expected type"
    return f"{key}: {reason}; correct it in its YAML or on the command line"
