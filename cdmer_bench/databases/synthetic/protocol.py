"""Who shows what: the real databases' clip counts for each subject and class.

CASME II: the early coding of 257 rows without sub09/EP02_02f; negative is disgust, sadness and
fear, positive is happiness. SMIC: the three-class list of the MEGC 2019 challenge; VIS and NIR hold
the 71 events of its last eight subjects.
"""

from types import MappingProxyType

from cdmer_bench.databases.base import EMOTIONS

# Subject: clips of each of EMOTIONS.
_CASME2 = {
    "sub01": (2, 1, 0), "sub02": (0, 1, 3), "sub03": (4, 0, 1), "sub04": (3, 0, 0),
    "sub05": (1, 1, 5), "sub06": (1, 1, 2), "sub07": (5, 0, 0), "sub09": (1, 5, 0),
    "sub10": (1, 0, 0), "sub11": (4, 0, 0), "sub12": (5, 2, 4), "sub13": (0, 2, 0),
    "sub14": (0, 3, 0), "sub15": (1, 1, 1), "sub16": (0, 2, 0), "sub17": (16, 7, 1),
    "sub19": (4, 3, 5), "sub20": (2, 0, 0), "sub23": (4, 1, 0), "sub24": (6, 0, 1),
    "sub25": (3, 0, 2), "sub26": (10, 2, 0),
}  # fmt: skip
_SMIC = {
    "s1": (3, 2, 1), "s2": (0, 1, 5), "s3": (22, 11, 6), "s4": (10, 4, 5),
    "s5": (1, 0, 1), "s6": (2, 0, 2), "s8": (9, 4, 0), "s9": (0, 1, 3),
    "s11": (3, 3, 1), "s12": (0, 8, 1), "s13": (0, 10, 0), "s14": (3, 2, 5),
    "s15": (1, 1, 2), "s18": (2, 0, 5), "s19": (0, 1, 1), "s20": (14, 3, 5),
}  # fmt: skip
_FILMED_BY_ALL = ("s11", "s12", "s13", "s14", "s15", "s18", "s19", "s20")

COUNTS = MappingProxyType(
    {
        "casme2": _CASME2,
        "smic_hs": _SMIC,
        "smic_vis": {subject: _SMIC[subject] for subject in _FILMED_BY_ALL},
        "smic_nir": {subject: _SMIC[subject] for subject in _FILMED_BY_ALL},
    }
)
"""Clips of each class, in the order of EMOTIONS, for each database and subject."""


def totals(database: str) -> dict[str, int]:
    """Return the number of clips of each class."""
    return {
        emotion: sum(counts[k] for counts in COUNTS[database].values())
        for k, emotion in enumerate(EMOTIONS)
    }
