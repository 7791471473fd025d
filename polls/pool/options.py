"""The options of a pool, checked once."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg2.extensions import connection

Connect = Callable[..., connection]
Configure = Callable[[connection], object]
Reset = Literal["rollback", "discard"] | Callable[[connection], object]
CheckIdle = float | Literal["always"]

SECONDS: Final = ("timeout", "max_idle", "max_lifetime", "leak_after", "max_use")
NEVER_NS: Final = 2**63  # about 292 years


@dataclass(frozen=True)
class Options:
    """The arguments of `ConnectionPool`. Seconds; 0 switches a limit off, and `timeout=0` does not wait."""

    name: str
    timeout: float
    max_waiting: int
    max_idle: float
    max_lifetime: float
    check_idle: CheckIdle
    leak_after: float
    max_use: float
    configure: Configure | None
    reset: Reset | None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, not {self.name!r}")
        for option in SECONDS:
            check_seconds(option, getattr(self, option))
        if self.check_idle != "always":
            check_seconds("check_idle", self.check_idle)
        check_count("max_waiting", self.max_waiting, 0)
        if self.configure is not None and not callable(self.configure):
            raise TypeError(f"configure must be callable, not {self.configure!r}")
        if self.reset not in (None, "rollback", "discard") and not callable(self.reset):
            raise ValueError(f'reset must be "rollback", "discard" or callable, not {self.reset!r}')

    @property
    def recheck_ns(self) -> int:
        """For how long an idle connection is lent without a ping."""
        return 0 if self.check_idle == "always" else to_ns(self.check_idle)


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
    """Convert a limit to nanoseconds, where 0 seconds stands for no limit."""
    return int(seconds * 1e9) if seconds else NEVER_NS
