"""Cancelling queries with the key of their own connection.

libpq cancels with a key that the server gave to the connection when it was made, at the address that the connection
has. So it reaches the right server and the right session, also through a pooler and after the address has changed.
psycopg2's own `cancel()` does the same, but keeps the GIL while it connects; here ctypes calls the libpq that psycopg2
brought along, and releases it.
"""

import ctypes
from typing import Any

from psycopg2 import _psycopg

# The libraries that a library depends on are searched as well: this finds psycopg2's own libpq, whatever its name.
_libpq = ctypes.CDLL(_psycopg.__file__)
_libpq.PQgetCancel.argtypes = [ctypes.c_void_p]
_libpq.PQgetCancel.restype = ctypes.c_void_p
_libpq.PQcancel.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
_libpq.PQcancel.restype = ctypes.c_int
_libpq.PQfreeCancel.argtypes = [ctypes.c_void_p]
_libpq.PQfreeCancel.restype = None


class CancelKey:
    """The key to cancel what a connection runs. It stays valid after the connection object is gone."""

    __slots__ = ("_key",)

    def __init__(self, conn: Any) -> None:
        self._key: int | None = _libpq.PQgetCancel(conn.pgconn_ptr)

    def cancel(self) -> str:
        """Ask the server to cancel the query; blocks while connecting. Return what went wrong, "" where nothing did."""
        reason = ctypes.create_string_buffer(256)
        if self._key is None:
            return "the connection has no cancel key"
        return "" if _libpq.PQcancel(self._key, reason, len(reason)) else reason.value.decode(errors="replace").strip()

    def __del__(self) -> None:
        key = getattr(self, "_key", None)
        if key is not None:
            self._key = None  # first: freed twice, it could be another's memory
            _libpq.PQfreeCancel(key)
