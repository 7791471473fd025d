"""The options of a pool, checked once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg2.extensions import connection

Connect = Callable[..., connection]
Configure = Callable[[connection], object]
Reset = Literal["rollback", "discard"] | Callable[[connection], object]

SECONDS: Final = ("timeout", "max_idle", "max_lifetime", "check_idle", "leak_after", "max_use")
NEVER_NS: Final = 2**63  # about 292 years


@dataclass(frozen=True)
class Options:
    """What `ConnectionPool` was called with. Seconds; 0 switches a limit off, and `timeout=0` waits for nothing."""

    name: str
    timeout: float
    max_waiting: int
    max_idle: float
    max_lifetime: float
    check_idle: float
    leak_after: float
    max_use: float
    configure: Configure | None
    reset: Reset | None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, not {self.name!r}")
        for option in SECONDS:
            check_seconds(option, getattr(self, option))
        check_count("max_waiting", self.max_waiting, 0)
        if self.configure is not None and not callable(self.configure):
            raise TypeError(f"configure must be callable, not {self.configure!r}")
        if self.reset not in (None, "rollback", "discard") and not callable(self.reset):
            raise ValueError(f'reset must be "rollback", "discard" or callable, not {self.reset!r}')


def check_seconds(option: str, value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a finite number of seconds, zero or more."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option} must be a number of seconds, not {value!r}")
    if not (0 <= value < math.inf):
        raise ValueError(f"{option} must be zero or more seconds, not {value!r}")


def check_count(option: str, value: Any, least: int) -> None:
    """Raise TypeError or ValueError unless `value` is a whole number and at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{option} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{option} must be at least {least}, not {value}")


def check_size(minconn: Any, maxconn: Any) -> None:
    """Raise TypeError or ValueError unless 0 <= minconn <= maxconn and maxconn >= 1."""
    check_count("minconn", minconn, 0)
    check_count("maxconn", maxconn, 1)
    if minconn > maxconn:
        raise ValueError(f"minconn must not exceed maxconn, but {minconn} > {maxconn}")


def to_ns(seconds: float) -> int:
    """A limit in nanoseconds, where 0 seconds stands for no limit."""
    return int(seconds * 1e9) if seconds else NEVER_NS
