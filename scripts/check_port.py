#!/usr/bin/env python3
"""Check that the site can listen on HOST and PORT, and say in one line what to do if it cannot.

It runs before anything is installed, so it uses the standard library only.
"""

import errno
import socket
import sys


def problem(host: str, port: str) -> str | None:
    """Return why the site cannot listen on this address and what to do about it, or None if it can."""
    if not (port.isdecimal() and 0 < int(port) < 65536):
        return f"PORT is {port!r}: set it to a number from 1 to 65535."
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is taken: end what uses it, or take another, as in PORT={int(port) ^ 1} scripts/server"
        if error.errno == errno.EACCES:
            return f"No permission to listen on port {port}: use one above 1023, as in PORT=8000 scripts/server"
        return f"HOST is {host!r}, and this machine has no such address ({error.strerror}): try HOST=127.0.0.1"
    return None


if __name__ == "__main__":
    sys.exit(problem(sys.argv[1].strip("[]"), sys.argv[2]))
