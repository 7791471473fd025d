"""Defences of the database against its own users: tables that only triggers write, and none that is truncated.

The counts, the events and the secrets are written by triggers, and a direct write is refused by a trigger per
statement. Its condition costs a vote next to nothing. It asks for the depth of triggers, which a role that may create
tables or temporary tables can fake with a trigger of its own. Therefore the functions that write these tables run as
their owner, SECURITY DEFINER: a site whose role owns nothing, and may create nothing, needs no privilege to write
them. pollsite/postgres/privileges.py grants such a role what it needs.
"""

from django.db import migrations

from polls.migrations.sql import function

# Table: what is refused unless a trigger does it.
BY_TRIGGERS = {
    "polls_tally": "INSERT OR UPDATE OR DELETE",
    "polls_turnout": "INSERT OR UPDATE OR DELETE",
    "polls_event": "INSERT",  # UPDATE and DELETE are refused to everybody
    "polls_secret": "INSERT",
    "polls_journal": "INSERT",
}
NOT_TRUNCATED = (
    *("polls_poll", "polls_option", "polls_invite", "polls_vote", "polls_tally", "polls_turnout", "polls_event"),
    *("polls_correction", "polls_secret", "polls_entries", "polls_draw", "polls_journal", "polls_checkpoint"),
    *("polls_step", "polls_pollkey"),
)
# Function: the version that ran as the role that wrote the row.
RUN_AS_OWNER = {
    "polls_count_votes": "0009",
    "polls_recount_votes": "0009",
    "polls_log_change": "0009",
    "polls_log_entries": "0005",
    "polls_make_secret": "0005",
    "polls_log_invites": "0012",
    "polls_forget_journal": "0009",
    "polls_forget_steps": "0015",
    "polls_check_voter_key": "0013",
}

# A trigger with such a function on somebody's own table would write events. Any role that may execute a function may
# use it in a trigger. The files name the schema public, so the tables may be in another one.
CLOSE_FUNCTIONS = """
DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN
        SELECT oid FROM pg_proc
         WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'polls_') AND prosecdef
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
        IF current_schema() <> 'public' THEN
            EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', made, current_schema());
        END IF;
    END LOOP;
END
$$
"""
OPEN_FUNCTIONS = f"GRANT EXECUTE ON FUNCTION {', '.join(RUN_AS_OWNER)} TO PUBLIC"


def refuse_direct_writes(table: str, writes: str) -> str:
    """Return the statement that creates the trigger."""
    return f"""
    CREATE TRIGGER {table}_by_triggers BEFORE {writes} ON {table}
        FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_by_triggers();
    """


def refuse_truncation(table: str) -> str:
    """Return the statement that creates the trigger, which also fires where another table's TRUNCATE cascades."""
    return f"""
    CREATE TRIGGER {table}_not_truncated BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION polls_not_truncated();
    """


class Migration(migrations.Migration):
    dependencies = (("polls", "0015_steps"),)
    operations = (
        migrations.RunSQL(
            [
                function("polls_by_triggers", "0016"),
                function("polls_not_truncated", "0016"),
                *(refuse_direct_writes(table, writes) for table, writes in BY_TRIGGERS.items()),
                *(refuse_truncation(table) for table in NOT_TRUNCATED),
                *(function(name, "0016") for name in RUN_AS_OWNER),
                CLOSE_FUNCTIONS,
            ],
            [
                *(function(name, version) for name, version in RUN_AS_OWNER.items()),
                OPEN_FUNCTIONS,
                "DROP FUNCTION polls_by_triggers, polls_not_truncated CASCADE",
            ],
        ),
    )
