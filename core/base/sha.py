"""SHA-256 without hashlib, which loads a library of ciphers and takes as long as a hundred modules."""

from __future__ import annotations

try:  # Python has one of its own for builds without that library; random takes it so too
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]  # of 3.11
    except ImportError:
        from hashlib import sha256


def sha256_of(data: bytes) -> str:
    """The hexadecimal digest."""
    return str(sha256(data).hexdigest())
