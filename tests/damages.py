"""What may happen to a stored file, for tests of what is then done about it."""

from collections.abc import Callable


def flip(data: bytes) -> bytes:
    """Change one bit in the middle; an empty file has none, and gets a byte instead."""
    if not data:
        return b"\x10"
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped bit": flip,
    "truncated": lambda data: data[: len(data) // 3],
    "empty": lambda data: b"",
    "foreign": lambda data: b"\x89PNG, a picture of something else",
}
