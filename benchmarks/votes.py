"""Votes through the data layer and the pool of the site, without its pages: python -m benchmarks.votes SLUG.

benchmarks.data_layer runs this with the site's environment. It prints JSON, or with --script the same statement for
pgbench.
"""

import argparse
import json
import os
import random
import secrets
import threading
import time

import django

from benchmarks.cpu import cpu_seconds

THREADS = 16


def ballot_of(slug: str) -> tuple[list[int], str]:
    """Return the ids of the options of a poll, and the hash of its content."""
    from polls import queries
    from polls.database import pool

    with pool().connection(autocommit=True) as conn:
        ballot = queries.get_poll(conn, slug)
    return [option.id for option in ballot.options], ballot.verification.content_hash


def cast_votes(slug: str, seconds: float, postmaster: int) -> dict[str, float]:
    """Vote in as many threads as the pool has connections. The time in which they connect is measured too."""
    from polls import queries, voters
    from polls.database import pool

    options, content_hash = ballot_of(slug)
    key_id = voters.key_id()
    counts = [0] * THREADS
    until = float("inf")
    start = threading.Barrier(THREADS + 1)

    def work(number: int) -> None:
        start.wait()
        while time.monotonic() < until:
            browser = queries.VoterKeys(
                f"browser:{secrets.token_urlsafe(16)}", secrets.token_hex(32), secrets.token_bytes(32)
            )
            choices = [random.choice(options)]
            with pool().connection(autocommit=True) as conn:
                queries.cast_vote(conn, slug, choices, browser=browser, ballot=content_hash, key_id=key_id)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    started, own, database = time.monotonic(), time.process_time(), cpu_seconds(postmaster)
    until = started + seconds
    start.wait()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - own + cpu_seconds(postmaster) - database
    return {"votes": sum(counts), "took": time.monotonic() - started, "cpu": cpu}


class _Parameters(dict[str, str]):
    """The parameters of CAST_VOTE as SQL; a parameter that is not known here is null."""

    def __missing__(self, name: str) -> str:
        return "NULL"


def script(slug: str) -> str:
    """Return CAST_VOTE as a script of pgbench. Each vote has a random voter and seal, as long as the site's are."""
    from polls import voters
    from polls.queries.votes import CAST_VOTE

    options, content_hash = ballot_of(slug)
    # Four numbers of sixteen digits are 64 hexadecimal digits.
    lines = [f"\\set {name} random(1000000000000000, 9999999999999999)" for name in "abcdef"]
    lines.append(f"\\set place random(1, {len(options)})")
    parameters = _Parameters(
        slug=f"'{slug}'",
        key_id=f"'{voters.key_id()}'",
        ballot=f"'{content_hash}'",
        choices=f"ARRAY[('{{{','.join(map(str, options))}}}'::bigint[])[:place]]",
        named_browser="'browser:' || :a::text || '-abcde'",
        hidden_browser=":a::text || :b::text || :c::text || :d::text",
        browser_seal="decode(:c::text || :d::text || :e::text || :f::text, 'hex')",
        account_seal="decode(:f::text || :e::text || :d::text || :c::text, 'hex')",
        seals="ARRAY[decode(:c::text || :d::text || :e::text || :f::text, 'hex')]",
    )
    return "\n".join([*lines, " ".join((CAST_VOTE % parameters).split()) + ";", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slug")
    parser.add_argument("--script", action="store_true", help="print a script for pgbench")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--postmaster", type=int, help="the id of PostgreSQL's process, whose CPU time is counted")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pollsite.settings")
    django.setup()
    if options.script:
        print(script(options.slug), end="")
    else:
        print(json.dumps(cast_votes(options.slug, options.seconds, options.postmaster)))


if __name__ == "__main__":
    main()
