"""Accountability: no one can change a vote or a rule unseen.

What a ballot shows has a hash that votes name, votes have receipts, and a journal of votes is cut into checkpoints that
are chained.
"""

import django.db.models.deletion
from django.db import migrations, models

from polls.migrations.sql import function

VOTES = [
    function("polls_seal_of", "0009"),
    function("polls_leaf", "0009"),
    """
    ALTER TABLE polls_journal ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY;
    -- Rows from before keep NULL; an expression that is added as a default writes nothing into them.
    ALTER TABLE polls_vote
        ALTER COLUMN seal SET DEFAULT polls_random_bytes(),
        -- One and not two: PostgreSQL reads each from its text again with every statement.
        ADD CONSTRAINT polls_vote_hashes CHECK (octet_length(seal) = 32 AND octet_length(ballot) = 32);
    """,
    function("polls_check_votes", "0009"),
    function("polls_count_votes", "0009"),
    function("polls_recount_votes", "0009"),
    function("polls_stamp_vote", "0009"),
    function("polls_pin_vote", "0009"),
    """
    CREATE TRIGGER polls_vote_stamp BEFORE UPDATE ON polls_vote
        FOR EACH ROW EXECUTE FUNCTION polls_stamp_vote();
    DROP TRIGGER polls_vote_pin ON polls_vote;
    CREATE TRIGGER polls_vote_pin BEFORE UPDATE ON polls_vote
        FOR EACH ROW WHEN (OLD.id <> NEW.id OR OLD.poll_id <> NEW.poll_id OR OLD.voter <> NEW.voter
                           OR OLD.seal IS DISTINCT FROM NEW.seal AND OLD.seal IS NOT NULL)
        EXECUTE FUNCTION polls_pin_vote();
    INSERT INTO polls_journal (poll_id, added)
    SELECT poll_id, polls_leaf(poll_id, voter, seal, choices) FROM polls_vote ORDER BY id;
    """,
]

CHECKPOINTS = [
    function("polls_take_checkpoint", "0009"),
    """
    CREATE TRIGGER polls_checkpoint_take BEFORE INSERT ON polls_checkpoint
        FOR EACH ROW EXECUTE FUNCTION polls_take_checkpoint();
    CREATE TRIGGER polls_checkpoint_append_only BEFORE UPDATE OR DELETE ON polls_checkpoint
        FOR EACH ROW EXECUTE FUNCTION polls_append_only();
    CREATE TRIGGER polls_journal_append_only BEFORE UPDATE OR DELETE ON polls_journal
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION polls_append_only();
    """,
    function("polls_forget_journal", "0009"),
    """
    CREATE TRIGGER polls_poll_forget_journal AFTER DELETE ON polls_poll
        FOR EACH ROW EXECUTE FUNCTION polls_forget_journal();
    """,
]

# The hash of before was of the texts that were asked first. It may stand on paper, so an event keeps it.
CONTENT = [
    """
    CREATE TEMPORARY TABLE polls_hash_before ON COMMIT DROP AS
    SELECT id, polls_content_hash(id) AS hash FROM polls_poll WHERE opens_at <= clock_timestamp();
    DROP FUNCTION polls_content_hash(bigint);
    """,
    function("polls_content_hash", "0009"),
    function("polls_stamp_poll", "0009"),
    function("polls_touch_polls", "0009"),
    function("polls_log_change", "0009"),
    function("polls_role", "0009"),
    """
    ALTER TABLE polls_event ALTER COLUMN role SET DEFAULT polls_role();
    CREATE TRIGGER polls_poll_stamp BEFORE INSERT OR UPDATE ON polls_poll
        FOR EACH ROW EXECUTE FUNCTION polls_stamp_poll();
    CREATE TRIGGER polls_option_touch_insert AFTER INSERT ON polls_option REFERENCING NEW TABLE AS touched
        FOR EACH STATEMENT EXECUTE FUNCTION polls_touch_polls();
    CREATE TRIGGER polls_option_touch_update AFTER UPDATE ON polls_option REFERENCING NEW TABLE AS touched
        FOR EACH STATEMENT EXECUTE FUNCTION polls_touch_polls();
    CREATE TRIGGER polls_option_touch_delete AFTER DELETE ON polls_option REFERENCING OLD TABLE AS touched
        FOR EACH STATEMENT EXECUTE FUNCTION polls_touch_polls();
    UPDATE polls_poll SET content_hash = '';
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    SELECT id, clock_timestamp(), 'update of the site', 'hash changed',
           jsonb_build_object('content_hash', jsonb_build_array(hash, content_hash))
      FROM polls_hash_before JOIN polls_poll USING (id);
    """,
]

RULES = [
    function("polls_guard_poll", "0009"),
    function("polls_guard_locked", "0009"),
    function("polls_guard_invited", "0009"),
    """
    DROP TRIGGER polls_poll_guard_update ON polls_poll;
    CREATE TRIGGER polls_poll_guard_update BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (
            (OLD.id, OLD.slug, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.locked, OLD.recountable,
             OLD.min_choices, OLD.max_choices, OLD.opens_at, OLD.closes_at, OLD.archived_at)
            IS DISTINCT FROM
            (NEW.id, NEW.slug, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.locked, NEW.recountable,
             NEW.min_choices, NEW.max_choices, NEW.opens_at, NEW.closes_at, NEW.archived_at))
        EXECUTE FUNCTION polls_guard_poll();
    CREATE TRIGGER polls_poll_guard_locked BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (OLD.locked AND
            (OLD.locked, OLD.recountable, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.results,
             OLD.listed, OLD.min_choices, OLD.max_choices, OLD.draw_source, OLD.opens_at, OLD.closes_at)
            IS DISTINCT FROM
            (NEW.locked, NEW.recountable, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.results,
             NEW.listed, NEW.min_choices, NEW.max_choices, NEW.draw_source, NEW.opens_at, NEW.closes_at))
        EXECUTE FUNCTION polls_guard_locked();
    CREATE TRIGGER polls_invite_guard_locked BEFORE INSERT ON polls_invite
        FOR EACH ROW EXECUTE FUNCTION polls_guard_invited();
    """,
]

# A checkpoint was published, and people may hold the receipts of their votes.
REVERSE = [
    """
    DO $$
    BEGIN
        IF EXISTS (SELECT FROM polls_checkpoint) OR EXISTS (SELECT FROM polls_vote WHERE ballot IS NOT NULL) THEN
            PERFORM polls_refuse('polls_receipts_kept',
                'This cannot be reversed: votes have receipts, and checkpoints were published');
        END IF;
    END
    $$;
    DROP TRIGGER polls_poll_guard_locked ON polls_poll;
    DROP TRIGGER polls_invite_guard_locked ON polls_invite;
    DROP TRIGGER polls_poll_stamp ON polls_poll;
    DROP TRIGGER polls_poll_forget_journal ON polls_poll;
    DROP TRIGGER polls_option_touch_insert ON polls_option;
    DROP TRIGGER polls_option_touch_update ON polls_option;
    DROP TRIGGER polls_option_touch_delete ON polls_option;
    DROP TRIGGER polls_vote_stamp ON polls_vote;
    DROP TRIGGER polls_checkpoint_take ON polls_checkpoint;
    DROP TRIGGER polls_checkpoint_append_only ON polls_checkpoint;
    DROP TRIGGER polls_journal_append_only ON polls_journal;
    DROP TRIGGER polls_poll_guard_update ON polls_poll;
    CREATE TRIGGER polls_poll_guard_update BEFORE UPDATE ON polls_poll
        FOR EACH ROW WHEN (
            (OLD.id, OLD.slug, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.min_choices, OLD.max_choices,
             OLD.opens_at, OLD.closes_at, OLD.archived_at)
            IS DISTINCT FROM
            (NEW.id, NEW.slug, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.min_choices, NEW.max_choices,
             NEW.opens_at, NEW.closes_at, NEW.archived_at))
        EXECUTE FUNCTION polls_guard_poll();
    DROP TRIGGER polls_vote_pin ON polls_vote;
    CREATE TRIGGER polls_vote_pin BEFORE UPDATE ON polls_vote
        FOR EACH ROW WHEN (OLD.id <> NEW.id OR OLD.poll_id <> NEW.poll_id OR OLD.voter <> NEW.voter)
        EXECUTE FUNCTION polls_pin_vote();
    ALTER TABLE polls_event ALTER COLUMN role DROP DEFAULT;
    ALTER TABLE polls_vote DROP CONSTRAINT polls_vote_hashes,
        ALTER COLUMN seal DROP DEFAULT;
    DROP FUNCTION polls_content_hash(polls_poll);
    DROP FUNCTION polls_stamp_poll, polls_touch_polls, polls_role, polls_guard_locked, polls_guard_invited,
        polls_forget_journal, polls_take_checkpoint, polls_stamp_vote;
    """,
    function("polls_check_votes", "0002"),
    function("polls_count_votes", "0002"),
    function("polls_recount_votes", "0002"),
    function("polls_pin_vote", "0002"),
    function("polls_guard_poll", "0002"),
    function("polls_log_change", "0004"),
    function("polls_content_hash", "0004"),
    "DROP FUNCTION polls_leaf, polls_seal_of",
]


class Migration(migrations.Migration):
    dependencies = (("polls", "0008_draws_among_all"),)
    operations = (
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "poll", "number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "poll",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checkpoints",
                        to="polls.poll",
                    ),
                ),
                ("number", models.IntegerField()),
                ("upto", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("closing", models.BooleanField()),
                ("taken_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Journal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "poll", "number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "poll",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="polls.poll",
                    ),
                ),
                ("number", models.BigIntegerField()),
                ("added", models.BinaryField(null=True)),
                ("removed", models.BinaryField(null=True)),
            ],
            options={
                "verbose_name_plural": "journal",
            },
        ),
        migrations.AddField(
            model_name="event",
            name="role",
            field=models.CharField(blank=True, default="", max_length=10),
        ),
        migrations.AddField(
            model_name="poll",
            name="content_hash",
            field=models.CharField(db_default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="poll",
            name="locked",
            field=models.BooleanField(db_default=False, default=False, verbose_name="locked once it has opened"),
        ),
        migrations.AddField(
            model_name="poll",
            name="recountable",
            field=models.BooleanField(
                db_default=False, default=False, verbose_name="anyone can recount the votes after closing"
            ),
        ),
        migrations.AddField(
            model_name="poll",
            name="revision",
            field=models.IntegerField(db_default=0, editable=False),
        ),
        migrations.AddField(
            model_name="vote",
            name="ballot",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="vote",
            name="seal",
            field=models.BinaryField(null=True),
        ),
        migrations.AlterField(
            model_name="vote",
            name="poll",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="votes", to="polls.poll"
            ),
        ),
        migrations.AddConstraint(
            model_name="poll",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("locked", False), ("opens_at__isnull", True), ("closes_at__isnull", False), _connector="OR"
                ),
                name="polls_poll_locked_closes",
                violation_error_message="A locked poll needs a closing time before it opens.",
            ),
        ),
        migrations.AddConstraint(
            model_name="poll",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("recountable", False), models.Q(("results", "owner"), _negated=True), _connector="OR"
                ),
                name="polls_poll_recountable",
                violation_error_message="Where anyone can recount the votes, the results are not for the owner only.",
            ),
        ),
        migrations.RunSQL([*VOTES, *CHECKPOINTS, *CONTENT, *RULES], [*REVERSE]),
    )
