r"""The inexact augmented Lagrangian method (IALM), by which the authors solve sparse least squares.

The problem is, for C of size n x m and Y of size c x m,

.. math:: \min_P |Y - P^T C|_F^2 + \mu |P|_1, \qquad P \in R^{n \times c},

and the result is *not* its optimum but the point where the schedule of penalties
(:class:`PenaltySchedule`) stops, which depends on the schedule;
:func:`~cdmer_bench.solvers.active_set_lasso.active_set_lasso` gives the optimum.

:func:`ialm_as_written` is the loop of the paper's Algorithm 1. Methods run its fast forms, which
tests compare with it: :func:`~cdmer_bench.solvers.stacked_ialm.ialm` for a stack of problems with
few columns c, such as the labels of DRLS and RSTR, and
:class:`~cdmer_bench.solvers.response_ialm.ResponseIALM` for many columns, such as the features of
TSRG and DRFS-T. Their comments number the steps as :class:`PenaltySchedule` does.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PenaltySchedule:
    r"""Constants of an IALM that splits a variable into a smooth copy Q and a sparse copy P.

    The augmented Lagrangian of :math:`f(Q) + \mu |P|_1` subject to :math:`P = Q` is

    .. math:: f(Q) + \mu |P|_1 + \langle T, P - Q \rangle + \kappa/2\, |P - Q|_F^2 .

    With P = T = ``start`` everywhere, each step j does, in this order,

    1. Q: the minimum over Q,
    2. P: the minimum over P, ``soft(Q - T / kappa_j, mu / kappa_j)``,
    3. the check: stop when ``max |P - Q| < tolerance``,
    4. ``T += kappa_j * (P - Q)``,
    5. ``kappa_{j+1} = min(rho * kappa_j, kappa_max)``.

    ``kappa`` grows geometrically whatever the residual is, so the loop stops after at most
    ``n_steps`` steps, 1e-4 to 1e-2 relative above the optimum: the result depends on these
    constants, which are those of the IALM that the authors of the benchmark released
    (``rho <= 1.02`` with ``start = 0`` comes within 1e-5 of the optimum, and reproduces none
    of the printed figures).

    Parameters
    ----------
    kappa0 : float
        The first penalty, > 0.
    rho : float
        Growth of the penalty at each step, > 1.
    kappa_max : float
        Largest penalty, at least ``kappa0``.
    tolerance : float
        Largest ``|P - Q|`` of any entry at which the loop stops, > 0.
    start : float
        Initial value of every entry of P and T.
    n_extra : int
        Steps allowed after the penalty has reached ``kappa_max``.
    """

    kappa0: float = 1e-3
    rho: float = 1.1
    kappa_max: float = 1e15
    tolerance: float = 1e-8
    start: float = 1.0
    n_extra: int = 100

    def __post_init__(self) -> None:
        """Refuse constants with which the loop cannot end."""
        if not (self.kappa0 > 0 and self.rho > 1 and self.kappa_max >= self.kappa0):
            raise UserError(
                f"penalty schedule kappa0={self.kappa0}, rho={self.rho}, "
                f"kappa_max={self.kappa_max}: kappa0 must be positive, rho above 1 and "
                "kappa_max at least kappa0"
            )
        if not self.tolerance > 0 or self.n_extra < 0:
            raise UserError(
                f"penalty schedule tolerance={self.tolerance}, n_extra={self.n_extra}: the "
                "tolerance must be positive and n_extra not negative"
            )

    @cached_property
    def kappas(self) -> NDArray[np.float64]:
        """The penalty of every step, shape (n_steps,), by repeated multiplication."""
        values = [self.kappa0]
        while values[-1] < self.kappa_max:
            values.append(min(self.rho * values[-1], self.kappa_max))
        values += [self.kappa_max] * self.n_extra
        kappas = np.array(values)
        kappas.flags.writeable = False
        return kappas

    @property
    def n_steps(self) -> int:
        """The number of steps after which the loop gives up."""
        return len(self.kappas)


def ialm_as_written(
    C: Array, Y: Array, mu: float, schedule: PenaltySchedule
) -> tuple[Array, int, bool]:
    """Follow the paper's Algorithm 1 for one problem, with one linear system a step.

    Parameters
    ----------
    C, Y
        Shapes (n, m) and (c, m).
    mu : float
    schedule : PenaltySchedule

    Returns
    -------
    P : ndarray, shape (n, c)
    n_steps : int
    converged : bool
    """
    n, CYt = len(C), C @ Y.T
    P = T = np.full(CYt.shape, schedule.start)
    for step, kappa in enumerate(schedule.kappas, start=1):
        Q = np.linalg.solve(C @ C.T + kappa / 2 * np.eye(n), CYt + (T + kappa * P) / 2)
        V = Q - T / kappa
        P = np.sign(V) * np.maximum(np.abs(V) - mu / kappa, 0)
        if np.abs(P - Q).max() < schedule.tolerance:
            return P, step, True
        T = T + kappa * (P - Q)
    return P, schedule.n_steps, False
