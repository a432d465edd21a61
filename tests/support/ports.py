"""Ports for servers that tests start."""

import contextlib
import socket


def free_ports(count: int) -> list[int]:
    """Different ones that nobody listens on: all are held until the last is found."""
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in found]
