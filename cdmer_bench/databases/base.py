"""What a database is: clips with subjects and labels, or features already extracted."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

EMOTIONS = ("negative", "positive", "surprise")


class Clip(ABC):
    """One micro-expression, from onset to offset.

    Attributes
    ----------
    name : str
        Unique in its database, such as ``sub01/EP02_01f``.
    subject : str
    label : int
        Index into the database's classes.
    fingerprint : str
        Changes whenever the frames change (generator settings, or names, sizes and times of files).
    """

    name: str
    subject: str
    label: int
    fingerprint: str

    @abstractmethod
    def frames(self) -> NDArray:
        """Return the grey frames in time order, shape (T, H, W), uint8 or float64 in 0 to 255."""


@dataclass(frozen=True)
class FeatureSet:
    """A database seen through one descriptor.

    Attributes
    ----------
    database : str
        Key of the database, such as ``smic_hs``.
    X : ndarray of float64, shape (n_clips, n_features) or (n_clips, n_blocks, ...)
    y : ndarray of int, shape (n_clips,)
        Index into ``classes``.
    subject : ndarray of str, shape (n_clips,), or None
        None where the subjects are unknown.
    classes : tuple of str
    fingerprint : str
        Hash of everything that the features were made of.
    """

    database: str
    X: NDArray[np.float64]
    y: NDArray[np.intp]
    subject: NDArray[np.str_] | None = None
    classes: tuple[str, ...] = EMOTIONS
    fingerprint: str = ""


@dataclass
class Database(ABC):
    """A named set of labelled clips or features.

    Attributes
    ----------
    name : str
        Key in the configuration, such as ``casme2``.
    title : str
        Name for people, such as ``CASME II``.
    letter : str
        One letter or short code for task names (``C`` in ``C -> H``).
    classes : tuple of str
    synthetic : bool
        True where the clips are generated; every output then says so.
    """

    name: str
    title: str = ""
    letter: str = ""
    classes: tuple[str, ...] = EMOTIONS
    synthetic: bool = field(default=False, kw_only=True)


class ClipDatabase(Database):
    """A database of clips, from which any descriptor can be extracted."""

    @abstractmethod
    def clips(self) -> Sequence[Clip]:
        """List the clips in the database's own frozen order (results depend on it).

        Raises
        ------
        DataMissing
            If the database is not on this machine.
        """


class FeatureDatabase(Database):
    """A database of features that someone else extracted."""

    @abstractmethod
    def load(self, descriptor: str) -> FeatureSet:
        """Load the features of a descriptor (its key, such as ``lbp_top_r3p8``).

        Raises
        ------
        DataMissing
            If this database has no file for that descriptor, or the file is not there.
        UserError
            If the file is damaged or not what was expected.
        """

    @abstractmethod
    def fingerprint(self, descriptor: str) -> str:
        """Hash of the file's content, without loading the features.

        Raises
        ------
        DataMissing
            As for :meth:`load`.
        """
