"""The lock of a pool: a reentrant one, which no exception leaves held."""

import sys
from _thread import RLock
from typing import TYPE_CHECKING

if sys.version_info >= (3, 14) and not TYPE_CHECKING:

    class Lock(RLock):
        """Python 3.14 may raise an asynchronous exception between the `__enter__` of a lock and the body of `with`, and
        then `__exit__` is not called (gh-148874). It looks for one after each call of a function written in C, and
        not where such a function is called by a loop, as here."""

        def __enter__(self):
            for is_taken in iter(self.acquire, None):
                return is_taken
            raise AssertionError("the loop does not end by itself")

else:
    Lock = RLock
