"""Other implementations of the same methods: scikit-learn's SVM, and skada's adaptation methods.

Each side fits and predicts one setting, on the task of bench_methods.py, from the raw features.
The results need not be equal: skada's TCA, for example, diagonalises a non-symmetric matrix with a
routine for symmetric ones.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from bench_methods import random_histograms
from bench_rows import Row, cpu_seconds, faster
from textbook_methods import flat

from cdmer_bench.methods import SA, SVM, TCA
from cdmer_bench.methods.stm import matching_kernels, mean_matching
from cdmer_bench.solvers.bounded_sum_qp import solve_interior_point
from cdmer_bench.solvers.kernels import squared_distances

SECTION = "peers"
K = 30  # components


def skada_peers(Xs: Any, ys: Any, Xt: Any) -> Iterator[tuple[str, Callable, Callable, str]]:
    """Yield (name, ours, theirs, what they are)."""
    import skada
    from sklearn.svm import SVC

    X, y = np.concatenate([Xs, Xt]), np.concatenate([ys, np.full(len(Xt), -1)])
    domain = np.repeat([1, -2], [len(Xs), len(Xt)])

    def run(adapter: Any) -> np.ndarray:
        machine = skada.make_da_pipeline(adapter, SVC(kernel="linear", C=1.0))
        machine.fit(X, y, sample_domain=domain)
        return machine.predict(Xt)

    yield (
        "TCA",
        lambda: TCA(k=K).fit(Xs, ys, Xt).predict(Xt),
        lambda: run(skada.TransferComponentAnalysisAdapter(kernel="linear", n_components=K)),
        f"skada, {K} components and a linear SVM",
    )
    yield (
        "SA",
        lambda: SA(k=K).fit(Xs, ys, Xt).predict(Xt),
        lambda: run(skada.SubspaceAlignmentAdapter(n_components=K)),
        f"skada, {K} components and a linear SVM",
    )

    def our_weights() -> Any:
        kernels = matching_kernels(squared_distances(Xs, Xs), squared_distances(Xs, Xt))
        return solve_interior_point(mean_matching(*kernels)).g

    yield (
        "KMM",
        our_weights,
        lambda: skada.KMMReweightAdapter().fit(X, y, sample_domain=domain),
        "skada, weights only",
    )


def measure(repeats: int) -> Iterator[Row]:
    """Yield a row for each peer, or one that says what is not installed."""
    from sklearn.svm import SVC

    blocks_s, ys, blocks_t = random_histograms()
    Xs, Xt = flat(blocks_s), flat(blocks_t)
    yield faster(
        SECTION,
        "SVM",
        "peer",
        "scikit-learn, SVC on the features",
        cpu_seconds(lambda: SVM().fit(Xs, ys, Xt).predict(Xt), repeats),
        cpu_seconds(lambda: SVC(kernel="linear", C=1.0).fit(Xs, ys).predict(Xt), repeats),
    )
    try:
        peers = list(skada_peers(Xs, ys, Xt))
    except ImportError:
        for name in ("TCA", "SA", "KMM"):
            yield Row(SECTION, name, "peer", "skada: not installed", None)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, ours, theirs, how in peers:
            spent = cpu_seconds(ours, repeats), cpu_seconds(theirs, repeats)
            yield faster(SECTION, name, "peer", how, *spent, timed=f"least of {repeats}")
