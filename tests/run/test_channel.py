"""Messages between two processes: whole, in order, and an end that is noticed."""

from __future__ import annotations

import gc
import socket
import threading

import pytest

from core.run.channel import Channel


def pair() -> tuple[Channel, Channel]:
    one, two = socket.socketpair()
    return Channel(one.detach()), Channel(two.detach())


def test_messages_come_whole_and_in_order() -> None:
    one, two = pair()
    messages = [b"", b"short", bytes(range(256)) * 20_000]  # the last is longer than the socket holds

    def send() -> None:
        for message in messages:
            one.send_bytes(message)

    sender = threading.Thread(target=send)
    sender.start()
    assert [two.recv_bytes() for _ in messages] == messages
    sender.join()
    assert not two.poll(0)


def test_poll_says_whether_there_is_a_message() -> None:
    one, two = pair()
    assert not two.poll(0)
    assert not two.poll(0.001)
    one.send_bytes(b"")
    assert two.poll(None)


@pytest.mark.parametrize("begun", [b"", b"\x05", b"\x05\0\0\0\0\0\0\0half"])
def test_the_end_is_an_eof_error_in_a_message_too(begun: bytes) -> None:
    one, two = socket.socketpair()
    channel = Channel(two.detach())
    one.sendall(begun)
    one.close()
    assert channel.poll(None)
    with pytest.raises(EOFError):
        channel.recv_bytes()


def test_who_sends_to_nobody_is_told() -> None:
    one, two = pair()
    two.close()
    with pytest.raises(BrokenPipeError):
        one.send_bytes(b"hello")


def test_a_closed_channel_gives_an_os_error() -> None:
    one, two = pair()
    one.close()
    one.close()
    for use in (one.fileno, one.recv_bytes, lambda: one.send_bytes(b""), lambda: one.poll(0)):
        with pytest.raises(OSError, match="closed"):
            use()
    two.close()


def test_a_channel_that_nobody_has_any_more_is_closed() -> None:
    one, two = pair()
    del one
    gc.collect()
    with pytest.raises(EOFError):
        two.recv_bytes()
