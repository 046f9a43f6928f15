"""What a database is: clips with subjects and labels, or features already extracted."""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdmer_bench.errors import UserError
from cdmer_bench.io import array_hash, content_key
from cdmer_bench.protocol import CLASSES, read_yaml

EMOTIONS = CLASSES
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something noticed about a database."""

    # With an error the data are not what they should be, and a run stops; a warning is worth a
    # look; a note is a choice that was made.
    severity: str
    text: str  # what was found
    where: str = ""  # database, file or clip
    code: str = ""  # stable name of the kind of finding, such as clip-without-frames
    expected: str = ""  # what should be there
    action: str = ""  # what to do

    def as_dict(self) -> dict[str, str]:
        """Return the finding as a mapping that JSON can hold."""
        return {
            "severity": self.severity,
            "code": self.code,
            "where": self.where,
            "found": self.text,
            "expected": self.expected,
            "action": self.action,
        }

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.severity, self.code, self.where) if part)
        said = f"found {self.text}; expected {self.expected}" if self.expected else self.text
        return f"{place}: {said}" + (f"; {self.action}" if self.action else "")


@cache
def table(name: str) -> Any:
    """Return a YAML file of this package."""
    return read_yaml((files("cdmer_bench.databases") / f"{name}.yaml").read_text("utf-8"))


def finding(code: str, where: object, **values: object) -> Finding:
    """Return the finding of ``findings.yaml`` with values in its sentences."""
    said = {key: text.format(**values) for key, text in table("findings")[code].items()}
    severity, found = next(iter(said.items()))
    expected, action = said.get("expected", ""), said.get("action", "")
    return Finding(severity, found, str(where), code.partition("/")[0], expected, action)


@dataclass(frozen=True)
class Account:
    """What a run uses of a database, and what was noticed about it."""

    name: str  # as of the database
    title: str
    n_used: int  # clips, or samples of a file of features
    # how many there should be: the clips that the coding sheet or clips table names, else those of
    # Table I; None where nothing tells
    n_expected: int | None
    class_counts: dict[str, int]  # clips of each class, in the order of the classes
    findings: list[Finding] = field(default_factory=list)

    def n_findings(self) -> dict[str, int]:
        """Count the findings of each severity."""
        counted = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    def line(self) -> str:
        """Return ``CASME II: 7 of 31 clips, 4/2/1 negative/positive/surprise; 24 errors``."""
        of = "" if self.n_expected in (None, self.n_used) else f" of {self.n_expected}"
        counts = "/".join(map(str, self.class_counts.values()))
        line = f"{self.title}: {self.n_used}{of} clips, {counts} {'/'.join(self.class_counts)}"
        found = [f"{n} {kind}{'s' * (n > 1)}" for kind, n in self.n_findings().items() if n]
        return "; ".join([line, ", ".join(found)]) if found else line


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
        Changes whenever the frames change: a hash of the files' content, or of the generator's
        settings.
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
        Hash of the file that the features come from, if they do; no result depends on it.
    names : tuple of str, or None
        Of the features, in the order of a sample's values in ``X``, where their file has names;
        source and target are matched by them.
    findings : tuple of Finding
        What was noticed while the features were read.

    Raises
    ------
    UserError
        If a label is no index of a class.
    """

    database: str
    X: NDArray[np.float64]
    y: NDArray[np.intp]
    subject: NDArray[np.str_] | None = None
    classes: tuple[str, ...] = EMOTIONS
    fingerprint: str = ""
    names: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()
    clips: tuple[str, ...] | None = None  # names of the clips, where they have any

    def __post_init__(self) -> None:
        subject = self.y if self.subject is None else self.subject
        for name, values in (("y", self.y), ("subject", subject)):
            if len(values) != len(self.X):
                raise UserError(
                    f"{self.database}: X has {len(self.X)} samples, but {name} {len(values)}; give "
                    "one for each sample"
                )
        wrong = np.flatnonzero(~np.isin(self.y, np.arange(len(self.classes))))
        if len(wrong):
            raise UserError(
                f"{self.database}: sample {wrong[0]} (counted from 0) has the label "
                f"{self.y[wrong[0]]!r}, expected the index of one of the classes "
                f"{', '.join(self.classes)}, counted from 0; leave out samples without a class"
            )

    @cached_property
    def sha256(self) -> str:
        """Hash of all that a result can depend on; it is part of the keys of results."""
        X = array_hash(np.asarray(self.X, float))
        return content_hash(X, self.y, self.subject, self.classes, self.names)


def content_hash(
    X: str,
    y: NDArray[np.intp],
    subject: NDArray[np.str_] | None,
    classes: tuple[str, ...],
    names: tuple[str, ...] | None = None,
) -> str:
    """Return the hash of a set of features from the hash of its values and all the rest."""
    return content_key(
        {
            "X": X,
            "y": [int(label) for label in y],
            "subject": None if subject is None else [str(s) for s in subject],
            "classes": list(classes),
            "names": None if names is None else list(names),
        }
    )


def matched(source: FeatureSet, target: FeatureSet) -> FeatureSet:
    """Return the target with its features in the source's order, by names where both have them."""
    if source.names is None or target.names is None or source.names == target.names:
        return target
    differing = sorted(set(source.names) ^ set(target.names))
    if differing:
        where = source if differing[0] in source.names else target
        raise UserError(
            f"{source.database} and {target.database} have other features: {differing[0]!r} is "
            f"only in {where.database} ({len(differing)} such in all); give both the same columns"
        )
    place = {name: number for number, name in enumerate(target.names)}
    flat = target.X.reshape(len(target.X), -1)[:, [place[name] for name in source.names]]
    X = np.ascontiguousarray(flat).reshape(target.X.shape)
    return replace(target, X=X, names=source.names)


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
    counts : mapping from str to int, optional
        Clips of each class that the database should have (Table I).
    """

    name: str
    title: str = ""
    letter: str = ""
    classes: tuple[str, ...] = EMOTIONS
    synthetic: bool = field(default=False, kw_only=True)
    counts: Mapping[str, int] | None = field(default=None, kw_only=True)

    @abstractmethod
    def account(self, descriptor: str | None = None) -> Account:
        """Say how much of the database a run uses, and what was noticed about it.

        Parameters
        ----------
        descriptor : str, optional
            Key of the descriptor whose file is counted, for a database of features.

        Raises
        ------
        DataMissing, UserError
            If the database cannot be read.
        """

    def _account(
        self, labels: Iterable[int], n_expected: int | None, findings: Iterable[Finding] = ()
    ) -> Account:
        counted = Counter(int(label) for label in labels)
        return Account(
            self.name,
            self.title or self.name,
            counted.total(),
            n_expected,
            {name: counted[index] for index, name in enumerate(self.classes)},
            list(findings),
        )

    @property
    def n_expected(self) -> int | None:
        """Number of clips by ``counts``."""
        return None if self.counts is None else sum(self.counts.values())


class ClipDatabase(Database):
    """A database of clips, from which any descriptor can be extracted."""

    def account(self, descriptor: str | None = None) -> Account:
        """Count the clips."""
        return self._account((clip.label for clip in self.clips()), self.n_expected)

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

    def held(self) -> Sequence[str]:
        """List the descriptors that there are files for, by their keys."""
        return ()

    def account(self, descriptor: str | None = None) -> Account:
        """Count the samples of one descriptor's file."""
        if descriptor is None:
            return self._account((), self.n_expected)
        loaded = self.load(descriptor)
        return self._account(loaded.y, self.n_expected, loaded.findings)

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


@dataclass(frozen=True)
class DamagedClip:
    """A clip whose frames cannot be read, and why."""

    name: str
    reason: str


def intact_clips(
    database: ClipDatabase,
    clips: Sequence[Clip],
    found: Sequence[Any],  # of each clip what was made of its frames, or a DamagedClip
) -> tuple[list[Clip], list[Any]]:
    """Keep the clips that could be read, and what was found of each; warn of the others."""
    title = database.title or database.name
    for damaged in found:
        if isinstance(damaged, DamagedClip):
            warnings.warn(
                f"{title}: clip {damaged.name} is left out: {damaged.reason}", stacklevel=2
            )
    pairs = [p for p in zip(clips, found, strict=True) if not isinstance(p[1], DamagedClip)]
    if not pairs:
        raise UserError(f"no clip of {title} can be read (first: {found[0].reason})")
    return [clip for clip, _ in pairs], [result for _, result in pairs]
