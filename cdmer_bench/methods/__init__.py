"""Domain-adaptation methods, each usable as a plain estimator: ``TCA(k=20).fit(Xs, ys, Xt)``."""

from importlib import import_module
from typing import Any

_MODULES = {
    "SVM": "svm",
    "IWSVM": "iw_svm",
    "TCA": "tca",
    "GFK": "gfk",
    "SA": "sa",
    "STM": "stm",
    "TKL": "tkl",
    "TSRG": "tsrg",
    "DRFST": "drfs_t",
    "DRLS": "drls",
    "RSTR": "rstr",
    "TGSR": "tgsr",
    "Method": "base",
    "BatchResult": "batches",
}
_OLD_NAMES = {"StrandResult": "BatchResult"}  # until 0.1
__all__ = [*_MODULES, *_OLD_NAMES]


def __getattr__(name: str) -> Any:
    # Late, because importing scikit-learn costs over a second.
    name = _OLD_NAMES.get(name, name)
    if name in _MODULES:
        return getattr(import_module(f"cdmer_bench.methods.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cdmer_bench.methods' has no attribute {name!r}")
