"""TCP ports for servers that tests start."""

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that no process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
