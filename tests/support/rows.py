"""What the tables hold: rows read and written with plain SQL."""

from contextlib import closing

from polls.database import connect


def votes(sql):
    """The number of all votes."""
    return sql("SELECT count(*) FROM polls_vote")[0][0]


def state_of(sql, poll):
    return sql("SELECT polls_state(opens_at, closes_at, archived_at) FROM polls_poll WHERE id = %s", poll.id)[0][0]


def options_of(sql, poll_id=None):
    """The texts of a poll's options in their order, or of all options."""
    where = "" if poll_id is None else f"WHERE poll_id = {poll_id}"
    return [text for (text,) in sql(f"SELECT text FROM polls_option {where} ORDER BY position, id")]


def actors(sql, action):
    """The actors of all events of a kind in the trail."""
    return {actor for (actor,) in sql("SELECT actor FROM polls_event WHERE action = %s", action)}


def backdate(when, *parameters):
    """Give all votes the time that an SQL expression says. The owner has to switch the triggers off for that."""
    with closing(connect("test", owner=True)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("ALTER TABLE polls_vote DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE polls_vote SET cast_at = {when}", parameters)
        cursor.execute("ALTER TABLE polls_vote ENABLE TRIGGER USER")


def cast_over_time(sql, poll, voters, minutes):
    """Write votes spread over the last `minutes`."""
    sql("UPDATE polls_poll SET opens_at = now() - make_interval(mins => %s) WHERE id = %s", minutes, poll.id)
    sql(
        "INSERT INTO polls_vote (poll_id, voter, choices) SELECT %s, n, ARRAY[%s]::bigint[] "
        "FROM generate_series(1, %s) AS n",
        *(poll.id, poll.options[0], voters),
    )
    step = "make_interval(mins => %s) / (%s + 1)"
    when = f"CASE poll_id WHEN %s THEN now() - voter::integer * {step} ELSE cast_at END"
    backdate(when, poll.id, minutes, voters)
