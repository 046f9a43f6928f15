"""A task as skada has it: samples of both domains, and which domain each is of."""

import numpy as np

from tests.methods.oracles import random_task


def domains(seed=0):
    Xs, ys, Xt = random_task(seed, 30, 24, 12)
    yt = np.arange(24) % 3
    return np.r_[Xs, Xt], np.r_[ys, yt], np.r_[np.full(30, 1), np.full(24, -2)]
