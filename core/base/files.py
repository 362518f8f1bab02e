"""Writing reports: each file completely or not at all, and nothing replaced that is no file."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace the contents of `path` by `text` atomically; creates directories as needed. Raises OSError.

    A symlink is followed, a file keeps its mode, and a new one has what the umask leaves.  Into a device or a FIFO the
    text is written as it is: OSError if nobody reads the FIFO.  What UTF-8 cannot express is written as an escape.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()
    data = text.encode("utf-8", "backslashreplace")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    if mode and not stat.S_ISREG(mode):
        _write_into(path, data)
        return
    permissions = stat.S_IMODE(mode) if mode else 0o666 & ~_umask()
    if _write_nameless(path, data, permissions):
        return
    import tempfile  # takes milliseconds

    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), permissions)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write_nameless(path: Path, data: bytes, permissions: int) -> bool:
    """Write a file that has no name before it is whole, so that who is killed leaves nothing; False if there is none.

    A file that exists is replaced by way of another name, for the moment between two system calls.
    """
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except (OSError, AttributeError):  # not on this file system; not Linux
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(handle, permissions)
        source = f"/proc/self/fd/{handle}"
        try:
            os.link(source, path, src_dir_fd=handle, follow_symlinks=True)  # or else it is link(), which follows none
        except FileExistsError:
            temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            os.link(source, temporary, src_dir_fd=handle, follow_symlinks=True)
            os.replace(temporary, path)
        except FileNotFoundError:  # no /proc
            return False
    return True


def can_write_in(directory: Path) -> None:
    """Create `directory` and see whether a file can be written in it. Raises OSError, which names what it could not."""
    import tempfile  # takes milliseconds

    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):  # which has no name where the file system can do without
        pass


def _write_into(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # ENXIO instead of waiting for a reader
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _umask() -> int:
    """The umask, which can only be read by setting it; no other thread creates files meanwhile that others may read."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
