"""Rate limits: how often one address may do something within a minute.

Each process counts in its own memory, so that a vote costs no second round trip: with several processes the actual
limit is up to that many times higher, and a restart resets it. The limits slow scripts down; the database keeps the
promises.
"""

import math
import time
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


@cache
def _limiter() -> SlidingWindowCounterRateLimiter:
    # Not at import: the storage starts a thread.
    return SlidingWindowCounterRateLimiter(MemoryStorage())


def count(action: str, meta: Mapping[str, Any]) -> int:
    """Count one `action` (a key of LIMITS_PER_MINUTE) of the address in a request's META.

    Return 0 where the limit allows it. Otherwise count nothing, and return the seconds to wait.
    """
    limit = settings.LIMITS_PER_MINUTE[action]
    if not limit or _limiter().hit(RateLimitItemPerMinute(limit), action, address_of(meta)):
        return 0
    return _seconds_to_wait(action, meta)


def blocked(action: str, meta: Mapping[str, Any]) -> int:
    """Return what count would return, without counting."""
    limit = settings.LIMITS_PER_MINUTE[action]
    if not limit or _limiter().test(RateLimitItemPerMinute(limit), action, address_of(meta)):
        return 0
    return _seconds_to_wait(action, meta)


def reset() -> None:
    """Forget all counts."""
    _limiter.cache_clear()


def address_of(meta: Mapping[str, Any]) -> str:
    """Return the address that a request came from; for IPv6 its /64, the smallest network that a customer is given.

    Clients can send any header. So only CLIENT_ADDRESS_HEADER is trusted, and of a list in it only the last entry,
    which the site's own proxy added.
    """
    header = settings.CLIENT_ADDRESS_HEADER.upper().replace("-", "_")
    forwarded = str(meta.get(f"HTTP_{header}", "")) if header else ""
    text = forwarded.rpartition(",")[2].strip() or str(meta.get("REMOTE_ADDR", ""))
    try:
        address = ip_address(text)
    except ValueError:
        return text[:100]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


def _seconds_to_wait(action: str, meta: Mapping[str, Any]) -> int:
    item = RateLimitItemPerMinute(settings.LIMITS_PER_MINUTE[action])
    reset_time, _ = _limiter().get_window_stats(item, action, address_of(meta))
    return max(1, math.ceil(reset_time - time.time()))
