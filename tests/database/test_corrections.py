"""The text of a poll: its content hash, and corrections, which readers see."""

from polls import queries
from tests.support.responses import text_of


def test_content_hash_is_what_python_computes_from_what_was_asked(conn, make_poll):
    import hashlib
    import json

    poll = make_poll(title='Tea "or" coffee?\n', description="Ünïcode\t☕", max_choices=2)
    seal = queries.get_poll(conn, poll.slug).verification
    rules = ["link", "always", False, False, False, False, False, 1, 2, ""]
    asked = ['Tea "or" coffee?\n', "Ünïcode\t☕", *rules, "Option 1", "Option 2", "Option 3"]
    text = json.dumps(asked, ensure_ascii=False)
    assert seal.content_hash == hashlib.sha256(text.encode()).hexdigest()


def test_correction_shows_and_changes_the_hash(client, conn, make_poll, vote, sql):
    poll = make_poll(title="Tee?")
    vote(poll, "ann", poll.options[:1])
    before = queries.get_poll(conn, poll.slug).verification.content_hash
    sql("INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'Tea?', 'typo')", poll.id)
    sql(
        "INSERT INTO polls_correction (poll_id, field, option_id, after, reason) "
        "VALUES (%s, 'option', %s, 'First option', 'clearer')",
        *(poll.id, poll.options[0]),
    )
    ballot = queries.get_poll(conn, poll.slug)
    assert (ballot.poll.title, ballot.options[0].text) == ("Tea?", "First option")
    assert ballot.verification.content_hash != before
    assert ballot.verification.corrections == [("Tee?", "Tea?", "typo"), ("Option 1", "First option", "clearer")]
    page = text_of(client.get(f"/polls/{poll.slug}/"))
    assert "<del><bdi>Tee?</bdi></del> <ins><bdi>Tea?</bdi></ins>: <bdi>typo</bdi>" in page
    assert ballot.verification.content_hash in page


def test_text_of_a_poll_with_votes_changes_by_correction_only(make_poll, vote, sql, refused):
    poll = make_poll()
    sql("UPDATE polls_poll SET title = 'Before the first vote'")
    with refused("polls_correction_with_votes"):
        sql("INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'X', 'y')", poll.id)
    vote(poll, "ann", poll.options[:1])
    for column in ("title", "description", "draw_source"):
        with refused("polls_poll_frozen"):
            sql(f"UPDATE polls_poll SET {column} = 'After it'")
    with refused("polls_correction_reason"):
        sql("INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'X', ' ')", poll.id)


def test_option_of_another_poll_is_not_corrected(make_poll, vote, sql, refused):
    poll, other = make_poll(), make_poll()
    vote(poll, "ann", poll.options[:1])
    with refused("polls_correction_target"):
        sql(
            "INSERT INTO polls_correction (poll_id, field, option_id, after, reason) "
            "VALUES (%s, 'option', %s, 'X', 'y')",
            *(poll.id, other.options[0]),
        )
