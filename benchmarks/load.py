"""A load generator: many clients, each on a connection that it keeps, as a reverse proxy does."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
HEADERS = (
    "Host: 127.0.0.1:{port}\r\nUser-Agent: Mozilla/5.0 (benchmark)\r\nAccept: text/html\r\nAccept-Language: en\r\n"
)


class Answer(NamedTuple):
    """A response: its status, its headers with the status line, and its body."""

    status: int
    head: bytes
    body: bytes


class Load(NamedTuple):
    """What the clients saw, in seconds."""

    latencies: list[float]
    took: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.took

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[98]


def get(port: int, path: str, cookie: str = "") -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\n{HEADERS.format(port=port)}{_cookie(cookie)}\r\n".encode()


def post(port: int, path: str, body: str, cookie: str = "") -> bytes:
    """Return a POST request of a form."""
    form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{HEADERS.format(port=port)}{form}{_cookie(cookie)}\r\n{body}".encode()


def _cookie(cookie: str) -> str:
    return f"Cookie: {cookie}\r\n" if cookie else ""


class _Connection(asyncio.Protocol):
    """A connection, with one request at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self._received = b""
        self._answer: asyncio.Future[Answer | None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._answer and not self._answer.done():
            if self._received:
                self._answer.set_exception(ConnectionError(f"cut off: {self._received[:200]!r}"))
            else:
                self._answer.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None or self._answer.done():
            return
        length = LENGTH.search(head)
        if length is None:
            self._answer.set_exception(ValueError(f"no Content-Length: {head!r}"))
        elif len(body) >= int(length[1]):
            if CLOSES.search(head):
                self.close()
            self._answer.set_result(Answer(int(head[9:12]), head, body))

    async def ask(self, request: bytes) -> Answer | None:
        """Return the answer, or None where the server closed the connection without one."""
        self._answer, self._received = asyncio.get_running_loop().create_future(), b""
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.is_open = False
        self._transport.close()


class _Client:
    """A client, which connects again where the server has closed its connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = _Connection()

    async def ask(self, request: bytes) -> Answer:
        # A server that closes a connection which it kept has not read the request: it is sent again.
        for _ in range(3):
            if not self._connection.is_open:
                loop = asyncio.get_running_loop()
                _, self._connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
            answer = await self._connection.ask(request)
            if answer:
                return answer
        raise ConnectionError("closed three times without an answer")

    def close(self) -> None:
        if self._connection.is_open:
            self._connection.close()


def drive(port: int, requests: Sequence[bytes], clients: int, see: Callable[[Answer], object]) -> Load:
    """Send the requests, as many at a time as there are clients. `see` is called with every answer, in any order."""
    return asyncio.run(_drive(port, requests, clients, see))


async def _drive(port: int, requests: Sequence[bytes], clients: int, see: Callable[[Answer], object]) -> Load:
    latencies: list[float] = []
    left = iter(requests)

    async def work() -> None:
        client = _Client(port)
        try:
            for request in left:
                sent = time.perf_counter()
                answer = await client.ask(request)
                latencies.append(time.perf_counter() - sent)
                see(answer)
        finally:
            client.close()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(min(clients, len(requests)))))
    return Load(latencies, time.perf_counter() - started)
