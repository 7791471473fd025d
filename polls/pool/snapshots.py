"""What a pool shows of itself, without its lock: a signal handler can ask at any moment."""

import time
from dataclasses import replace
from operator import add

from .slot import KEYED, READY
from .state import State
from .stats import ConnectionStatus, Counters, Histograms, PoolStats, WaiterStatus


def totals(state: State) -> Counters:
    """The totals since the start, as of one moment."""
    for _ in range(100):
        before = state.moving
        found = replace(state.counters)
        for slot in list(state.slots):
            found.uses += slot.uses
            found.usage_ns += slot.used_ns
        if state.moving == before and not before % 2:
            break
        time.sleep(0)
    return found


def picture(state: State) -> PoolStats:
    """The statistics."""
    now = time.monotonic_ns()
    recent = totals(state) - state.popped
    waiting = list(state.queue)
    return {
        "pool_min": state.minconn,
        "pool_max": state.maxconn,
        "pool_size": len(state.slots),
        "pool_available": len(state.idle),
        "requests_waiting": len(waiting),
        "oldest_wait_ms": (now - waiting[0].borrower.since_ns) / 1e6 if waiting else 0.0,
        "usage_ms": recent.usage_ns / 1e6,
        "requests_num": recent.uses + recent.requests_errors + len(waiting),
        "requests_queued": recent.requests_queued,
        "requests_wait_ms": recent.requests_wait_ns / 1e6,
        "requests_errors": recent.requests_errors,
        "returns_bad": recent.returns_bad,
        "returns_in_transaction": recent.returns_in_transaction,
        "connections_num": recent.connections_num,
        "connections_ms": recent.connections_ns / 1e6,
        "connections_errors": recent.connections_errors,
        "connections_lost": recent.connections_lost,
        "leaks": recent.leaks,
    }


def pop(state: State) -> PoolStats:
    """The statistics, and the totals start again from zero."""
    stats, state.popped = picture(state), totals(state)
    return stats


def histograms(state: State) -> Histograms:
    """The histograms."""
    waits, uses, connects = list(state.waits), state.spans, list(state.connects)
    for slot in list(state.slots):
        uses = list(map(add, uses, slot.spans))
    waits[0] += totals(state).uses - state.left  # the fast path does not measure its own time
    return {"wait": waits, "use": list(uses), "connect": connects}


def waiters(state: State) -> list[WaiterStatus]:
    """A row for each caller in the queue, the next one to be served first."""
    waiting = [waiter.borrower for waiter in list(state.queue)]
    now = time.monotonic_ns()
    return [{"thread": who.name(), "taken": who.place(), "waited_ms": (now - who.since_ns) / 1e6} for who in waiting]


def rows(state: State) -> list[ConnectionStatus]:
    """A row for each slot, the oldest connection first."""
    now = time.monotonic_ns()
    rows: list[ConnectionStatus] = []
    for slot in sorted(state.slots.copy(), key=lambda slot: slot.born_ns):
        kind, borrower = slot.state, slot.borrower()
        lent = state.is_lent(slot)
        rows.append(
            {
                "backend_pid": slot.pid,
                "state": kind if kind not in (READY, KEYED) else "in use" if lent else "idle",
                "held_ms": (now - borrower.since_ns) / 1e6 if lent else None,
                "thread": borrower.name() if lent else None,
                "taken": borrower.place() if lent else None,
                "age_ms": (now - slot.born_ns) / 1e6,
                "uses": slot.uses,
            }
        )
    return rows


def explain(state: State, timeout: float) -> str:
    """Why a caller got no connection."""
    held = [slot.borrower() for slot in list(state.slots) if state.is_lent(slot)]
    reason = (
        f"no connection of the pool {state.options.name!r} within {timeout:g} s: "
        f"size {len(state.slots)} of {state.maxconn}, {len(held)} in use, {len(state.queue)} waiting"
    )
    if held:
        oldest = min(held, key=lambda borrower: borrower.since_ns)
        seconds = (time.monotonic_ns() - oldest.since_ns) / 1e9
        reason += f"; held longest by thread {oldest.name()}, for {seconds:.1f} s, taken at {oldest.place()}"
    if (error := state.last_error) is not None:
        reason += f"; the last attempt to connect failed: {str(error).strip()}"
    return reason
