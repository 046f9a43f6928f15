"""Random streams that depend on names alone, so that any order of work gives the same bytes."""

import hashlib

import numpy as np

# Part of every stream and every clip's fingerprint: raise it whenever a frame changes.
GENERATOR_VERSION = "1"


def digest(*words: object) -> str:
    """Return a SHA-256 over the words and the generator's version, in hexadecimal."""
    text = "\x1f".join(str(word) for word in ("cdmer-synthetic", GENERATOR_VERSION, *words))
    return hashlib.sha256(text.encode()).hexdigest()


def stream(*words: object) -> np.random.Generator:
    """Return the random generator that belongs to these words, such as (seed, 'smic', 's11')."""
    return np.random.Generator(np.random.PCG64(int(digest(*words), 16)))
