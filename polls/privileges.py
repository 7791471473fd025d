"""What the site's role may do with each table of polls: what the code does, and no more.

`migrate` grants it; pollsite/postgres/privileges.py says how. Whatever is not here is done by triggers, as the owner
of the tables: counting, and writing the events.
"""

TABLES = {
    "polls_poll": "SELECT, INSERT, UPDATE, DELETE",
    "polls_option": "SELECT, INSERT, UPDATE, DELETE",
    "polls_invite": "SELECT, INSERT, UPDATE, DELETE",
    "polls_vote": "SELECT, INSERT (poll_id, voter, choices, cast_at, seal, ballot), UPDATE (choices, seal, ballot), "
    "DELETE",
    "polls_tally": "SELECT",
    "polls_turnout": "SELECT",
    "polls_event": "SELECT",
    "polls_journal": "SELECT",
    "polls_checkpoint": "SELECT, INSERT (poll_id)",
    "polls_step": "SELECT, INSERT (poll_id)",
    "polls_pollkey": "SELECT",
    "polls_correction": "SELECT, INSERT",
    "polls_secret": "SELECT",
    "polls_entries": "SELECT, INSERT (poll_id, option_id)",
    "polls_draw": "SELECT, INSERT (poll_id, number, option_id, public_value, reason)",
}
