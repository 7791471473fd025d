"""Draws among everybody who voted: entries and draws whose option is NULL.

The functions of 0005 learn what to do without an option. For an option they make what they made before: the codes,
hashes and winners of released draws can still be computed again.
"""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

FUNCTIONS = """
-- An option's codes begin with its id, those of everybody with "all", which is no id: a voter's codes in two draws
-- have nothing in common.
CREATE OR REPLACE FUNCTION polls_entry_code(poll_id bigint, option_id bigint, voter text)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(polls_hmac(secret.secret, coalesce(option_id::text, 'all') || '/' || voter), 'hex')
      FROM polls_secret AS secret
     WHERE secret.poll_id = polls_entry_code.poll_id
$$;

CREATE OR REPLACE FUNCTION polls_freeze_entries()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    among CONSTANT text := coalesce(NEW.option_id::text, 'all');
    inner_pad bytea;
    outer_pad bytea;
BEGIN
    PERFORM polls_hold_closed(NEW.poll_id);
    SELECT polls_hmac_pad(secret, 54), polls_hmac_pad(secret, 92) INTO inner_pad, outer_pad
      FROM polls_secret WHERE poll_id = NEW.poll_id;
    -- As polls_entry_code says, with the pads made once. A voter has one vote, however many choices are in it.
    WITH entry AS MATERIALIZED (
        SELECT sha256(outer_pad || sha256(inner_pad || convert_to(among || '/' || voter, 'UTF8'))) AS code
          FROM polls_vote
         WHERE poll_id = NEW.poll_id AND (NEW.option_id IS NULL OR NEW.option_id = ANY (choices))
         ORDER BY code
    )
    SELECT string_agg(code, ''),
           encode(sha256(convert_to(string_agg(encode(code, 'hex') || E'\\n', ''), 'UTF8')), 'hex')
      INTO NEW.codes, NEW.hash
      FROM entry;
    IF NEW.codes IS NULL AND NEW.option_id IS NULL THEN
        PERFORM polls_refuse('polls_draw_of_somebody', 'Nobody has voted');
    ELSIF NEW.codes IS NULL THEN
        PERFORM polls_refuse('polls_draw_of_somebody', 'Nobody has chosen this option');
    END IF;
    NEW.frozen_at := clock_timestamp();
    NEW.frozen_by := polls_actor();
    RETURN NEW;
END
$$;

-- Whoever asks names the option or none, the number and the public value; two at once wait for each other here.
CREATE OR REPLACE FUNCTION polls_draw_winner()
RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    source text;
    entries polls_entries;
    seed bytea;
    inner_pad bytea;
    outer_pad bytea;
    drawn text[];
BEGIN
    PERFORM polls_hold_closed(NEW.poll_id);
    IF NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM polls_draw WHERE poll_id = NEW.poll_id) THEN
        PERFORM polls_refuse('polls_draw_number', 'Another draw was made meanwhile');
    END IF;
    -- These two are constraints as well; here they are said in words.
    IF NEW.number > 1 AND NEW.reason ~ '^\\s*$' THEN
        PERFORM polls_refuse('polls_draw_again_with_reason', 'A draw after the first needs a reason');
    END IF;
    IF NEW.number > 99 THEN
        PERFORM polls_refuse('polls_draw_most', 'A poll has at most 99 draws');
    END IF;
    SELECT draw_source INTO source FROM polls_poll WHERE id = NEW.poll_id;
    IF source <> '' AND NEW.public_value ~ '^\\s*$' THEN
        PERFORM polls_refuse('polls_draw_public_value', 'The public value that was announced is missing');
    ELSIF source = '' AND NEW.public_value <> '' THEN
        PERFORM polls_refuse('polls_draw_public_value', 'No public value was announced for this poll');
    END IF;
    SELECT * INTO entries FROM polls_entries
     WHERE poll_id = NEW.poll_id AND option_id IS NOT DISTINCT FROM NEW.option_id;
    IF NOT FOUND AND NEW.option_id IS NULL THEN
        PERFORM polls_refuse('polls_draw_from_entries', 'The entries of everybody who voted are not frozen yet');
    ELSIF NOT FOUND THEN
        PERFORM polls_refuse('polls_draw_from_entries', 'The entries of this option are not frozen yet');
    END IF;
    NEW.secret := (SELECT encode(polls_hash_again(secret, 100 - NEW.number), 'hex')
                     FROM polls_secret WHERE poll_id = NEW.poll_id);
    seed := polls_hmac(decode(NEW.secret, 'hex'), concat_ws('/', entries.hash, NEW.public_value, NEW.number));
    inner_pad := polls_hmac_pad(seed, 54);
    outer_pad := polls_hmac_pad(seed, 92);
    entries.codes := entries.codes || ''; -- in memory as a whole, or each slice is fetched from the disk
    SELECT array_agg(code ORDER BY place) INTO drawn
      FROM (
        SELECT code, sha256(outer_pad || sha256(inner_pad || convert_to(code, 'UTF8'))) AS place
          FROM generate_series(0, octet_length(entries.codes) / 32 - 1) AS position
         CROSS JOIN LATERAL (SELECT encode(substr(entries.codes, 32 * position + 1, 32), 'hex') AS code) AS entry
         ORDER BY place
         LIMIT 11
      ) AS first;
    NEW.winner := drawn[1];
    NEW.alternates := coalesce(drawn[2:], '{}');
    NEW.drawn_at := clock_timestamp();
    NEW.drawn_by := polls_actor();
    RETURN NEW;
END
$$;
"""

# Draws are never removed: where there is one of the new kind, there is no way back.
REFUSE_TO_LOSE = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM polls_entries WHERE option_id IS NULL)
        OR EXISTS (SELECT FROM polls_draw WHERE option_id IS NULL)
    THEN
        PERFORM polls_refuse('polls_draws_kept',
            'This cannot be reversed: there are draws among everybody who voted, and a draw is never removed');
    END IF;
END
$$
"""


def _as_before(name: str) -> str:
    """Return the statement that makes this function what it was in 0005 again."""
    draws = import_module("polls.migrations.0005_draws")
    source: str = draws.ENTRIES + draws.WINNER
    start = source.index(f"CREATE FUNCTION {name}(")
    function = source[start : source.index("\n$$;", start)] + "\n$$;"
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = (("polls", "0007_pool_page"),)
    operations = (
        migrations.AlterField(
            model_name="entries",
            name="option",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="polls.option",
            ),
        ),
        migrations.AlterField(
            model_name="draw",
            name="option",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="polls.option",
            ),
        ),
        migrations.AddConstraint(
            model_name="entries",
            # NULL differs from NULL in polls_entries_once, and NULLS NOT DISTINCT begins with PostgreSQL 15.
            constraint=models.UniqueConstraint(
                condition=models.Q(("option__isnull", True)), fields=("poll",), name="polls_entries_once_among_all"
            ),
        ),
        migrations.RunSQL(
            [FUNCTIONS],
            [REFUSE_TO_LOSE, *map(_as_before, ("polls_entry_code", "polls_freeze_entries", "polls_draw_winner"))],
        ),
    )
