"""A caller in the queue."""

import threading
from typing import Any

from .borrower import Borrower
from .slot import Slot


class Waiter:
    """A caller in the queue. Its gate opens when it gets a connection, and when the pool closes or cannot connect."""

    __slots__ = ("borrower", "conn", "gate", "slot")

    def __init__(self, borrower: Borrower) -> None:
        self.borrower = borrower
        self.gate = threading.Lock()
        self.gate.acquire()
        self.conn: Any = None
        self.slot: Slot | None = None
