"""Messages of bytes over a socket, as between this process and a warden.

`multiprocessing.connection.Connection` does the same, and more: to import it is some hundredths of what a command with
one small cell takes.
"""

from __future__ import annotations

import math
import os
import select
from contextlib import suppress

HEADER = 8
"""Bytes before a message, which say its length."""

AT_ONCE = 1 << 20
"""Bytes that are read at once, at most."""


class Channel:
    """One end of a connected stream socket, by its descriptor, which it owns.

    Every method but `close` raises OSError after `close`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:  # a warden ends when nobody is at the other end any more
        with suppress(OSError):
            self.close()

    def fileno(self) -> int:
        """The descriptor."""
        if self._descriptor < 0:
            raise OSError("the channel is closed")
        return self._descriptor

    def close(self) -> None:
        """Give up the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def send_bytes(self, message: bytes) -> None:
        """Send a message. OSError if nobody is there."""
        left = memoryview(len(message).to_bytes(HEADER, "little") + message)
        while left:
            left = left[os.write(self.fileno(), left) :]

    def recv_bytes(self) -> bytes:
        """The next message. EOFError if none comes any more."""
        return self._read(int.from_bytes(self._read(HEADER), "little"))

    def poll(self, timeout: float | None) -> bool:
        """Is there something to receive within `timeout` seconds? None waits without an end."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(None if timeout is None else math.ceil(1000 * timeout)))

    def _read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            more = os.read(self.fileno(), min(size - len(found), AT_ONCE))
            if not more:
                raise EOFError
            found += more
        return bytes(found)
