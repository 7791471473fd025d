"""A caller in the queue."""

import threading

from psycopg2.extensions import connection

from polls.pool.slot import Borrower, Slot


class Waiter:
    """A caller in the queue. Its gate opens when it has been given a connection, or when the pool closes."""

    __slots__ = ("borrower", "conn", "gate", "slot")

    def __init__(self, borrower: Borrower) -> None:
        self.borrower = borrower
        self.gate = threading.Lock()
        self.gate.acquire()
        self.conn: connection | None = None
        self.slot: Slot | None = None
