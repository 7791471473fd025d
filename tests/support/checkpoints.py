"""Checkpoints: taking many within a minute, forging them as a superuser can, and verifying a published bundle."""

import hashlib
import json
import subprocess
import sys

import pytest

from tests.support.paths import BASE_DIR

VERIFY = BASE_DIR / "scripts" / "verify.py"
# Whatever the triggers forbid: what a superuser can do.
BEHIND = "SET session_replication_role = replica"
INSTEAD = (
    "CREATE OR REPLACE FUNCTION polls_checkpoint_due(last timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT {}'"
)


def sha256(data):
    return hashlib.sha256(data).digest()


@pytest.fixture
def often(owner_sql):
    """Let an open poll have more than one checkpoint a minute."""
    [(due,)] = owner_sql("SELECT pg_get_functiondef('polls_checkpoint_due'::regproc)")
    owner_sql(INSTEAD.format(True))
    yield
    owner_sql(due)


@pytest.fixture
def behind(owner_sql):
    """Run a statement without triggers, as a superuser can."""

    def run(statement, *parameters):
        owner_sql(BEHIND)
        try:
            return owner_sql(statement, *parameters)
        finally:
            owner_sql("SET session_replication_role = DEFAULT")

    return run


@pytest.fixture
def take(sql):
    """Take a checkpoint; return its hash, None where there was none to take."""

    def take(poll):
        rows = sql("INSERT INTO polls_checkpoint (poll_id) VALUES (%s) RETURNING hash", poll.id)
        return rows[0][0] if rows else None

    return take


@pytest.fixture
def close(sql):
    def close(poll):
        sql("UPDATE polls_poll SET closes_at = clock_timestamp() WHERE id = %s", poll.id)

    return close


@pytest.fixture
def forge(sql, behind):
    """Rewrite the hashes of all checkpoints of a poll, so that they fit a journal that was changed."""

    def forge(poll):
        link, after = sha256(poll.slug.encode()), 0
        columns = "number, upto, closing, content_hash, option_ids, to_char(taken_at AT TIME ZONE 'UTC', %s)"
        for number, upto, closing, content, options, at in sql(
            f"SELECT {columns} FROM polls_checkpoint WHERE poll_id = %s ORDER BY number",
            'YYYY-MM-DD"T"HH24:MI:SS"Z"',
            poll.id,
        ):
            lines = lines_between(sql, poll, after, upto)
            link, after = link_of(link, number, at, closing, content, options, lines), upto
            behind(
                "UPDATE polls_checkpoint SET hash = %s, entries = %s WHERE poll_id = %s AND number = %s",
                *(link.hex(), len(lines), poll.id, number),
            )

    return forge


def lines_between(sql, poll, after, upto):
    """The lines of the journal after an entry and up to another one, sorted."""
    rows = sql(
        "SELECT added, removed FROM polls_journal WHERE poll_id = %s AND number > %s AND number <= %s",
        *(poll.id, after, upto),
    )
    lines = [b"+" + bytes(added) for added, _ in rows if added] + [b"-" + bytes(gone) for _, gone in rows if gone]
    return sorted(lines)


def link_of(before, number, at, closing, content, options, lines):
    """The hash of a checkpoint, as docs/trust.md says."""
    head = f"{number} {at} {'closed' if closing else 'open'} {content} {','.join(map(str, options))}"
    return sha256(before + sha256(head.encode()) + b"".join(lines))


def leaf_of(seal, choices):
    """The leaf of a vote, as docs/trust.md says."""
    text = ",".join(map(str, choices)).encode()
    return sha256(sha256(seal) + sha256(seal + text) + text)


def bundle_of(client, poll):
    """The bundle of a closed poll."""
    response = client.get(f"/polls/{poll.slug}/bundle.json")
    assert response.status_code == 200
    return json.loads(response.getvalue())


def run_verify(folder, bundle, *arguments, python=sys.executable):
    """Run scripts/verify.py on a bundle, without anything but Python."""
    path = folder / "bundle.json"
    path.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))
    return subprocess.run(
        [python, "-I", str(VERIFY), str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
