"""Text that came from files, made fit to be shown: no control character reaches a terminal."""

import unicodedata
from typing import Any

# Control characters, invisible formatting such as a change of direction, and halves of characters
# that no encoding can write.
_HIDDEN = ("Cc", "Cf", "Cs")


def visible(text: str) -> str:
    """Drop control characters but line breaks and tabs."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)


def one_line(text: str) -> str:
    """Drop line breaks and control characters, which a label of the user's own may hold."""
    return visible(" ".join(text.split()))


def visible_content(value: Any) -> Any:
    """Return JSON content with every text in it passed through :func:`visible`."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [visible_content(item) for item in value]
    if isinstance(value, dict):
        return {visible(name): visible_content(item) for name, item in value.items()}
    return value
