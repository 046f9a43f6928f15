"""A value of a wrong type, in any key, is a legal run or one sentence that names the key."""

import copy
from functools import cache
from pathlib import Path

import pytest
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from cdmer_bench.cli.hydra_app import cards, compose_config, composer
from cdmer_bench.cli.run import run_command
from cdmer_bench.config.build import build, build_method
from cdmer_bench.config.schema import MethodCard, validate
from cdmer_bench.descriptors import Descriptor
from cdmer_bench.descriptors.c3d.finetuning import Recipe
from cdmer_bench.errors import UserError, check_type

WRONG = (3, 2.5, True, "text", [1, 2], {"a": 1}, None)
METHODS, DESCRIPTORS = (
    [name for name, card in cards(group).items() if "_target_" in card]
    for group in ("method", "descriptor")
)
ENTRY = """
features: features
labels: labels
subjects: null
label_map: null
layout: auto
blocks: null
normalise: none
"""


@cache
def run_keys() -> tuple[str, ...]:
    """Every key of a run of feature files, but Hydra's own."""
    with composer(None, []):
        config = compose("run", overrides=["descriptor=given"])
    keys = [key for key in below(config) if not key.startswith(("hydra", "corpus.", "tasks."))]
    own = ("title", "letter", "classes", "files", "files.given", "first_label")
    entry = [*own, *OmegaConf.create(ENTRY)]
    corpus = ["name", "title", "synthetic", "root", "reader", "reader._target_", "databases"]
    keys += [f"corpus.{key}" for key in (*corpus, "databases.red")]
    keys += [f"corpus.databases.red.{key}" for key in entry]
    return (*keys, "tasks.red__green", *(f"tasks.red__green.{k}" for k in ("source", "target")))


def below(node: DictConfig, before: str = "") -> list[str]:
    found = []
    for key in node:
        found.append(f"{before}{key}")
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none():
            found += below(child, f"{before}{key}.")
    return found


def composed(corpus, *overrides: str) -> DictConfig:
    words = corpus.arguments("task=red/green", "backend=sequential", "progress=false", *overrides)
    with composer(words[1], words[2:]):
        config = compose("run", overrides=words[2:])
    OmegaConf.set_struct(config, False)
    root = str(Path(config.corpus.reader.root))
    config.corpus.update({"root": root, "title": "Small"})
    config.corpus.databases.red.update(OmegaConf.create(ENTRY))
    return config


def outcome(config: DictConfig, key: str, value: object, dry: bool) -> None:
    """Run with ``value`` in the place of ``key``; whatever is no UserError fails the test."""
    parent, _, name = key.rpartition(".")
    changed = copy.deepcopy(config)
    node = OmegaConf.select(changed, parent) if parent else changed
    node[name] = value
    try:
        checked = validate(changed)
        checked.dry_run = checked.dry_run or dry
        run_command(checked)
    except UserError as error:
        sentence = str(error)
        assert "\n" not in sentence
        # A file that is not there is named on standard error, with the key beside.
        assert name in sentence or "has its databases" in sentence, (key, value, sentence)


@pytest.mark.parametrize("key", run_keys())
def test_every_key_of_a_run(key, corpus, monkeypatch):
    monkeypatch.chdir(corpus.folder)
    config = composed(corpus, "method=svm")
    for value in WRONG:
        outcome(config, key, value, dry=False)


def skip_without_skada(name):
    if name.startswith("skada"):
        pytest.importorskip("skada")


@pytest.mark.parametrize("name", METHODS)
def test_every_grid_of_a_method(name, corpus, monkeypatch):
    skip_without_skada(name)
    monkeypatch.chdir(corpus.folder)
    config = composed(corpus, f"method={name}")
    for parameter in config.methods[name].get("grid") or {}:
        for value in WRONG:
            outcome(config, f"methods.{name}.grid.{parameter}", value, dry=True)


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_of_a_method(name):
    skip_without_skada(name)
    card = cards("method")[name]
    target = card._target_
    parameters = OmegaConf.to_container(OmegaConf.create(card.get("parameters") or {}))
    for parameter in parameters:
        for value in WRONG:
            changed = MethodCard(_target_=target, parameters={**parameters, parameter: value})
            says = complaint(build_method, name, changed, None)
            assert parameter in (says or parameter), (value, says)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_every_parameter_of_a_descriptor(name):
    card = compose_config(None, [f"descriptor={name}"]).descriptors[name]
    for parameter in card.parameters:
        for value in WRONG:
            changed = {**card.parameters, parameter: value}
            says = complaint(build, card._target_, changed, f"descriptors.{name}", Descriptor)
            assert parameter in (says or parameter), (value, says)


def test_every_key_of_the_fine_tuning_of_c3d():
    recipe = compose_config(None, []).c3d.finetune
    for key in recipe:
        for value in WRONG:
            says = complaint(Recipe.of, {**recipe, key: value})
            assert key in (says or key), (value, says)


def complaint(function, *arguments) -> str | None:
    """What a UserError says, if there is one."""
    try:
        function(*arguments)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("value", "hint", "fits"),
    [
        (3, int, True),
        (True, int, False),
        (True, float, False),
        (3, float, True),
        (2.5, int, False),
        ("3", int, False),
        (None, int | None, True),
        (None, str, False),
        ([1, 2], tuple[int, int], True),
        ([1, "x"], tuple[int, ...], False),
        ("ab", tuple[str, ...], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        (1.0, "a name that only a type checker knows", True),
    ],
)
def test_types_are_those_of_the_hints(value, hint, fits):
    if fits:
        check_type(value, hint, "key")
    else:
        with pytest.raises(UserError, match=r"key is .*, expected "):
            check_type(value, hint, "key")
