"""The penalty schedule of the inexact augmented Lagrangian method (IALM)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError


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
        """Refuse constants with which the loop cannot end.

        Raises
        ------
        UserError
            If a constant is outside its range.
        """
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
