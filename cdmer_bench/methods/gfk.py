"""Geodesic flow kernel (Gong, Shi, Sha and Grauman, CVPR 2012)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cdmer_bench.methods.base import Prepared
from cdmer_bench.methods.inputs import Array, Setting
from cdmer_bench.methods.subspaces import DomainSubspaceMethod, rank_remark
from cdmer_bench.methods.svm import Adapted


@dataclass
class GFK(DomainSubspaceMethod):
    """Geodesic flow kernel between the principal subspaces, then an SVM with that kernel.

    Ps and Pt (n_features x k) are the leading principal directions of the centred source and of
    the centred target. Phi(t), 0 <= t <= 1, is the geodesic from span Ps to span Pt on the
    Grassmann manifold, and the kernel of two samples is their inner product averaged over it::

        x' G y   with   G = int_0^1 Phi(t) Phi(t)' dt        (n_features x n_features)

    Parameters
    ----------
    k : int, optional
        Dimension of both subspaces, 1 to min(n_source, n_target) - 1 (and at most n_features);
        all of them in the paper.
    C : float
        Cost of the SVM.

    Notes
    -----
    The samples are centred to find the subspaces, but enter the kernel as they are, and the
    classifier is the SVM, not the nearest neighbour of the original work; so the printed results
    are reproduced.

    G is never formed. With the SVD Ps'Pt = U cos(theta) V', a sample x has coordinates f = x'Ps U
    and r = x'Pt V - f cos(theta) (the latter along directions normal to Ps, of length
    sin(theta)), and the kernel is f a f' + f b r' + r b f' + r d r' with

        a = (1 + sin(2 theta) / (2 theta)) / 2,    b = sin(theta)^2 / (2 theta) / sin(theta),
        d = (1 - sin(2 theta) / (2 theta)) / (2 sin(theta)^2).

    If the samples of a domain vary along fewer than k directions (duplicates, constant features),
    both subspaces have that many dimensions, and the result's note says so.
    """

    C: float = 1.0

    label = "GFK"

    def largest_dimension(self, n_source: int, n_target: int, n_features: int) -> int:
        """Return min(n_source - 1, n_target - 1, n_features)."""
        return min(n_source - 1, n_target - 1, n_features)

    def adapt(self, prepared: Prepared, settings: Sequence[Setting]) -> Iterator[Adapted]:
        """Factor the kernel of each k, from the leading k x k block of Ps'Pt."""
        n_source = len(prepared["ys"])
        for setting in settings:
            k = self.dimension(setting, prepared["shape"])
            used = min(k, *prepared["alignment"].shape)
            factor = geodesic_factor(
                prepared["on_source"][:, :used],
                prepared["on_target"][:, :used],
                prepared["alignment"][:used, :used],
            )
            remark = rank_remark(k, used) if used < k else ""
            yield Adapted(factor[:n_source], factor[n_source:], remark)


def geodesic_factor(
    on_source: Array,  # (n, k), X Ps
    on_target: Array,  # (n, k), X Pt
    alignment: Array,  # (k, k), Ps'Pt
) -> Array:
    """Return L (n x 2k) such that L L' = X G X', the geodesic flow kernel."""
    U, cosines, Vt = np.linalg.svd(alignment)
    cosines = np.minimum(cosines, 1.0)
    f = on_source @ U
    r = on_target @ Vt.T - f * cosines
    a, b, d = flow_integrals(np.arccos(cosines))
    # [a b; b d] = [sqrt(a) 0; b/sqrt(a) c] [..]' with c = sqrt(d - b^2/a), which lies in [.28, .55]
    root = np.sqrt(a)
    return np.hstack([f * root + r * (b / root), r * np.sqrt(d - b**2 / a)])


def flow_integrals(theta: Array) -> tuple[Array, Array, Array]:
    """Return a, b and d of :class:`GFK` for principal angles in [0, pi/2]; no division by zero.

    All three are smooth in theta^2: at theta = 0 they are 1, 1/2 and 1/3.
    """
    sinc = np.sinc(theta / np.pi)
    sinc_double = np.sinc(2 * theta / np.pi)
    squared = theta**2
    # (1 - sinc(2 theta)) / (2 theta^2): by its Taylor series where the difference would cancel
    series = 1 / 3 - squared / 15 + 2 * squared**2 / 315 - squared**3 / 2835
    small = theta < 0.05
    quotient = np.where(small, series, (1 - sinc_double) / (2 * np.where(small, 1.0, squared)))
    return (1 + sinc_double) / 2, sinc / 2, quotient / sinc**2
