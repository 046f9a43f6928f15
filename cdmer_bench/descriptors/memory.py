"""Memory for a clip's temporary arrays that is reused rather than mapped anew."""

from functools import lru_cache

import numpy as np

KEPT_BYTES = 30 * 2**20  # glibc follows up to 32 MB; a clip's temporaries take about 20


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Make glibc's malloc keep freed arrays of some megabytes for the next ones.

    By default an array of more than 128 KB is mapped, and the first touch of each of its pages
    is a page fault: 4,000 faults for one clip's LBP-TOP, which took longer than its arithmetic
    (13 ms instead of 5). When a larger mapped array is freed, glibc raises that limit, and
    twice the limit is what it keeps (mallopt(3), M_MMAP_THRESHOLD). The array here is freed
    untouched, so it costs nothing; other allocators take no notice.
    """
    np.empty(KEPT_BYTES, dtype=np.uint8)
