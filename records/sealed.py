"""The checksum that a checkpoint carries within itself: SHA-256 over the whole file."""

from __future__ import annotations

import hashlib

BLANK = "0" * 64
"""What stands in the place of the checksum while it is taken."""

# The checksum lies in a JSON document that is a string of a JSON document: safetensors' metadata.
_FIELD = b'\\"sha256\\": \\"'


def seal(data: bytes) -> bytes:
    """The same file with its checksum in the place of `BLANK`; it must hold a field for it."""
    start = _digest_start(data)
    assert start is not None and data[start : start + 64] == BLANK.encode(), "the file has no blank checksum"
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[start + 64 :]


def is_intact(data: bytes) -> bool:
    """Whether every byte of a sealed file is as it was written."""
    start = _digest_start(data)
    if start is None:
        return False
    digest = hashlib.sha256(data[:start])
    digest.update(BLANK.encode())
    digest.update(memoryview(data)[start + 64 :])
    return digest.hexdigest().encode() == data[start : start + 64]


def _digest_start(data: bytes) -> int | None:
    # The first one: the names of tensors, which a config chooses, come after it.
    start = data.find(_FIELD)
    return None if start < 0 else start + len(_FIELD)
