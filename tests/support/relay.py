"""A relay in front of the database that counts round trips: how often the talk turns from client to server."""

import selectors
import socket
import threading


class CountingRelay:
    """Listens on a TCP port of its own and passes everything on to a PostgreSQL socket."""

    def __init__(self, folder: str, port: str) -> None:
        self.target = f"{folder}/.s.PGSQL.{port}"
        self.round_trips = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "CountingRelay":
        return self

    def __exit__(self, *error: object) -> None:
        for open_socket in self.sockets:
            open_socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.sockets += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        speaker = server
        with selectors.DefaultSelector() as selector:
            for end in other:
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    sender = key.fileobj
                    try:
                        data = sender.recv(65536)
                        # A goodbye ("X") expects no answer.
                        if sender is client and speaker is server and data and not data.startswith(b"X"):
                            self.round_trips += 1
                        speaker = sender
                        other[sender].sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
