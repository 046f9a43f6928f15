"""Where samples lie before and after adaptation, computed again from the records of a run.

The cards kept in a record name classes. Only those of this package, of installed packages and of
the folder given by ``--config-dir`` are imported, and only classes of the expected kind are called.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdmer_bench.cli.hydra_app import prepare_hydra
from cdmer_bench.cli.session import Session
from cdmer_bench.config import schema
from cdmer_bench.config.build import build, load_target
from cdmer_bench.databases.base import Database, FeatureSet, matched
from cdmer_bench.descriptors.base import Descriptor
from cdmer_bench.errors import UserError
from cdmer_bench.evaluation.selection import Rule
from cdmer_bench.methods.base import Method
from cdmer_bench.methods.inputs import Setting, check_task
from cdmer_bench.preprocessing import Preprocessing
from cdmer_bench.reporting.picture_data import Placed
from cdmer_bench.results.record import CellRecord
from cdmer_bench.runner.solve import prepare
from cdmer_bench.solvers.kernels import pooled_kernel

Array = NDArray[np.float64]
# What a card of a record must name.
_KINDS: dict[str, type] = {
    "corpus.reader": Database,
    "preprocessing": Preprocessing,
    "descriptor": Descriptor,
    "method": Method,
}


def embed_cells(
    records: Sequence[CellRecord], rule: Rule, config_dir: str | None = None
) -> tuple[list[Placed], list[str]]:
    """Place the samples of one task before and after adaptation; also say why others cannot be."""
    from threadpoolctl import threadpool_limits

    prepare_hydra(config_dir, [])
    placed, left_out = [], []
    loaded: dict[str, tuple[FeatureSet, FeatureSet]] = {}
    for record in records:
        try:
            _check_cards(record)
            key = repr([record.about[name] for name in ("corpus", "preprocessing", "descriptor")])
            if key not in loaded:
                loaded[key] = _features(record)
            source, target = loaded[key]
            # Once more with the rule's setting. The method sees no target label.
            setting = record.settings[rule.select(record)]
            fixed = {name: v for name, v in record.parameters.items() if name not in setting}
            with threadpool_limits(1):
                method = build(record.about["method"]["_target_"], fixed, "method", Method)
                placed.append((record, *embed(method, source.X, source.y, target.X, setting)))
        except Exception as error:  # of a method of the user's own, too
            text = str(error) if isinstance(error, UserError) else repr(error)
            left_out.append(f"{record.row} is not drawn: {text.rstrip('.')}.")
    return placed, left_out


def _check_cards(record: CellRecord) -> None:
    """Refuse a record without its cards, and a card that names no class of its kind."""
    corpus = record.about.get("corpus")
    if not isinstance(corpus, dict) or not record.used or "cache_dir" not in record.about:
        raise UserError(
            "an older version made this record, which does not say from which features; "
            "run it again"
        )
    cards = {**record.about, "corpus.reader": corpus.get("reader")}
    for key, kind in _KINDS.items():
        if not isinstance(cards.get(key), dict):
            raise UserError(f"its record does not say which {key} made it; run it again")
        target = cards[key].get("_target_")
        found = load_target(target, key) if target else kind  # features of files have none
        if not (isinstance(found, type) and issubclass(found, kind)):
            raise UserError(f"{key}._target_ is {target}, which is no class of a {kind.__name__}")


def _features(record: CellRecord) -> tuple[FeatureSet, FeatureSet]:
    """Load the features that a record was made from."""
    about = record.about
    config = schema.RunConfig(
        about["corpus"],
        schema.PreprocessingCard(**about["preprocessing"]),
        {record.descriptor: schema.DescriptorCard(**about["descriptor"])},
        tasks={record.task: schema.TaskCard(record.task_label, record.source, record.target)},
        cache=schema.CacheCard(str(about["cache_dir"])),
    )
    features = Session(config).features
    sides = []
    for side, name in (("source", record.source), ("target", record.target)):
        if not features.is_ready(name, record.descriptor):
            raise UserError(
                f"the features of {name} are not in the cache {config.cache.dir}; the same words "
                "with `cdmer extract` make them"
            )
        held = features.load(name, record.descriptor)
        if held.sha256 != record.used[side]["features"]:
            raise UserError(
                f"the features of {name} are no longer those of the results; run it again"
            )
        sides.append(held)
    source, target = sides
    return source, matched(source, target)


def embed(
    method: Method, Xs: ArrayLike, ys: ArrayLike, Xt: ArrayLike, setting: Setting
) -> tuple[Array, Array | None]:
    """Place source, then target samples: by the linear kernel of the features, by the adapted one.

    Each is of shape (n_source + n_target, 2). The second is None where the method moves no sample.
    """
    task = check_task(Xs, ys, Xt, method.needs_blocks)
    method.settings([setting], task.shapes)
    before = embed_kernel(pooled_kernel(*(X.reshape(len(X), -1) for X in (task.Xs, task.Xt))))
    if type(method).adapted_kernel is Method.adapted_kernel:
        return before, None
    kernel = method.adapted_kernel(prepare(method, task, task.Xt), setting)
    return before, None if kernel is None else embed_kernel(kernel)


def embed_kernel(kernel: ArrayLike) -> Array:
    """Place samples by the two largest components of their kernel, as kernel PCA does."""
    K = np.asarray(kernel, dtype=float)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) < 2:
        raise UserError(f"a kernel of shape {K.shape} is not square with at least two samples")
    centred = K - K.mean(axis=0) - K.mean(axis=1, keepdims=True) + K.mean()
    values, vectors = np.linalg.eigh((centred + centred.T) / 2)
    placed = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
    largest = np.abs(placed).argmax(axis=0)
    return placed * np.where(placed[largest, [0, 1]] < 0, -1.0, 1.0)
