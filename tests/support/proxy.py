"""A TCP proxy in front of PostgreSQL that breaks connections in the ways that networks do, and counts round trips."""

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType


class Proxy:
    """Forwards 127.0.0.1:`port` to `target`: a TCP port of this machine, a host and a port, or a Unix socket's path.

    `accepted` counts connections, and `round_trips` how often a client spoke after its server, not counting goodbyes,
    which no server answers. While `swallowing` is set, bytes vanish in both
    directions and neither end is told; `delay` seconds pass before a connection is forwarded; `cut()` resets all.
    """

    def __init__(self, target: int | tuple[str, int] | str) -> None:
        self.target = target
        self.swallowing = threading.Event()
        self.delay = 0.0
        self.accepted = 0
        self.round_trips = 0
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        if isinstance(self.target, tuple):
            return socket.create_connection(self.target)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
        except OSError:
            server.close()
            raise
        return server

    def _forward(self, client: socket.socket) -> None:
        time.sleep(self.delay)
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        self._pairs.append((client, server))
        speaker = [server]
        back = threading.Thread(target=self._pump, args=(server, client, speaker), daemon=True)
        back.start()
        self._pump(client, server, speaker, counted=True)
        back.join()
        client.close()
        server.close()

    def _pump(
        self, source: socket.socket, sink: socket.socket, speaker: list[socket.socket], *, counted: bool = False
    ) -> None:
        """Forward what `source` sends. `speaker` holds the end that spoke last; `counted` says to count turns."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:  # before it is forwarded, so that the answer comes after it
                    if counted and speaker[0] is not source and not data.startswith(b"X"):
                        self.round_trips += 1
                    speaker[0] = source
                if not self.swallowing.is_set():
                    sink.sendall(data)
        if not self.swallowing.is_set():
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
