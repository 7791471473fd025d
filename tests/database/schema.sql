CREATE FUNCTION public.polls_actor() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT left(coalesce(nullif(current_setting('polls.actor', true), ''), 'database user ' || session_user), 200)
$$;
CREATE FUNCTION public.polls_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_append_only', 'What is written here stays as it is');
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_by_triggers() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_by_triggers', 'This is written by triggers only');
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_cast_invited_vote(asked text, key_id text, ballot text, chosen bigint[], seals bytea[], invited bigint, token text, named_voter text, hidden_voter text, new_seal bytea, OUT known boolean, OUT entitled boolean, OUT done boolean, OUT may_change boolean) RETURNS record
    LANGUAGE plpgsql
    AS $_$
#variable_conflict use_column
BEGIN
    PERFORM set_config('polls.key_id', $2, true);
    WITH poll AS (
        SELECT id, audience, named, changeable, CASE WHEN named THEN named_voter ELSE hidden_voter END AS voter
          FROM polls_poll
         WHERE slug = asked AND audience = 'invite' AND opens_at IS NOT NULL
    ), invite AS (
        -- Waits for a revocation or a new link under way and then reads the row again; makes later ones wait.
        SELECT invite.id
          FROM poll JOIN polls_invite AS invite ON invite.poll_id = poll.id
         WHERE invite.id = invited AND token_hash = token AND revoked_at IS NULL
           FOR SHARE OF invite
    ), vote AS (
        INSERT INTO polls_vote AS vote (poll_id, voter, choices, seal, ballot)
        SELECT poll.id, voter, chosen, new_seal, decode($3, 'hex')
          FROM poll CROSS JOIN invite
            ON CONFLICT (poll_id, voter) DO UPDATE
               SET choices = excluded.choices, ballot = excluded.ballot, seal = coalesce(vote.seal, excluded.seal)
             WHERE (SELECT changeable AND (vote.seal = ANY (seals)
                           OR vote.seal IS NULL AND (poll.audience = 'link' OR poll.named)) FROM poll)
        RETURNING id
    )
    SELECT count(*) > 0, EXISTS (SELECT FROM invite), EXISTS (SELECT FROM vote), coalesce(bool_or(changeable), false)
      INTO known, entitled, done, may_change
      FROM poll;
END
$_$;
CREATE FUNCTION public.polls_cast_vote(asked text, key_id text, ballot text, chosen bigint[], seals bytea[], named_browser text, hidden_browser text, browser_seal bytea, named_account text, hidden_account text, account_seal bytea, OUT known boolean, OUT entitled boolean, OUT done boolean, OUT may_change boolean) RETURNS record
    LANGUAGE plpgsql
    AS $_$
#variable_conflict use_column
BEGIN
    PERFORM set_config('polls.key_id', $2, true);
    WITH poll AS (
        SELECT id, audience, named, changeable,
               CASE audience
                   WHEN 'link' THEN CASE WHEN named THEN named_browser ELSE hidden_browser END
                   WHEN 'account' THEN CASE WHEN named THEN named_account ELSE hidden_account END
               END AS voter,
               CASE audience WHEN 'link' THEN browser_seal ELSE account_seal END AS seal
          FROM polls_poll
         WHERE slug = asked AND opens_at IS NOT NULL
    ), vote AS (
        INSERT INTO polls_vote AS vote (poll_id, voter, choices, seal, ballot)
        SELECT id, voter, chosen, seal, decode($3, 'hex')
          FROM poll
         WHERE voter IS NOT NULL
            ON CONFLICT (poll_id, voter) DO UPDATE
               SET choices = excluded.choices, ballot = excluded.ballot, seal = coalesce(vote.seal, excluded.seal)
             WHERE (SELECT changeable AND (vote.seal = ANY (seals)
                           OR vote.seal IS NULL AND (poll.audience = 'link' OR poll.named)) FROM poll)
        RETURNING id
    )
    SELECT count(*) > 0, count(voter) > 0, EXISTS (SELECT FROM vote), coalesce(bool_or(changeable), false)
      INTO known, entitled, done, may_change
      FROM poll;
END
$_$;
CREATE FUNCTION public.polls_check_voter_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    present CONSTANT text := current_setting('polls.key_id');
BEGIN
    IF NOT EXISTS (
        SELECT FROM written LEFT JOIN polls_pollkey USING (poll_id) WHERE key_id IS DISTINCT FROM present
    ) THEN
        RETURN NULL;
    END IF;
    -- Waits for another first vote under way. The statement after it then sees what that vote has recorded.
    INSERT INTO polls_pollkey (poll_id, key_id)
    SELECT DISTINCT poll_id, present FROM written ORDER BY poll_id
        ON CONFLICT (poll_id) DO NOTHING;
    -- Accounts and invitations of named polls are stored as they are, under no key.
    IF EXISTS (
        SELECT
          FROM written
          JOIN polls_pollkey USING (poll_id)
          JOIN polls_poll AS poll ON poll.id = poll_id
         WHERE key_id <> present AND NOT (named AND audience <> 'link')
    ) THEN
        PERFORM polls_refuse('polls_vote_voter_key', 'Votes in this poll stand under another VOTER_KEY');
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_check_votes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    broken text;
BEGIN
    -- A snapshot as old as the transaction would not see the poll being closed.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_vote_read_committed', 'Votes are written in READ COMMITTED transactions only');
    END IF;
    -- In the order of the ids, so that two statements on several polls cannot deadlock.
    PERFORM pg_advisory_xact_lock_shared(polls_lock_key(poll_id))
       FROM (SELECT DISTINCT poll_id FROM written ORDER BY poll_id) AS polls;
    -- Each vote fires the triggers of INSERT and those of UPDATE, for its statement might do both.
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT rule INTO broken
      FROM written AS vote
      LEFT JOIN polls_poll AS poll ON poll.id = vote.poll_id
     CROSS JOIN LATERAL (
        SELECT CASE
            WHEN poll.id IS NULL
                OR polls_state(poll.opens_at, poll.closes_at, poll.archived_at) <> 'open'
                THEN 'polls_vote_while_open'
            WHEN TG_OP <> 'INSERT' AND NOT poll.changeable
                THEN 'polls_vote_final'
            WHEN TG_OP = 'DELETE'
                THEN NULL
            WHEN vote.cast_at < poll.opens_at OR vote.cast_at > clock_timestamp()
                THEN 'polls_vote_while_open'
            WHEN vote.cast_at < statement_timestamp()
                THEN 'polls_vote_cast_at'
            -- Compared here and not before: a change of the poll waits for the lock, or was committed before it.
            WHEN encode(vote.ballot, 'hex') <> poll.content_hash
                THEN 'polls_vote_ballot'
            WHEN cardinality(vote.choices) NOT BETWEEN poll.min_choices AND poll.max_choices
                THEN 'polls_vote_choice_count'
            WHEN cardinality(vote.choices) > 1
                AND cardinality(vote.choices) > (SELECT count(DISTINCT choice) FROM unnest(vote.choices) AS choice)
                THEN 'polls_vote_choices_distinct'
        END AS rule
     ) AS checked
     WHERE rule IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        PERFORM polls_refuse(broken, CASE broken
            WHEN 'polls_vote_while_open' THEN 'The poll is not open at the time of this vote'
            WHEN 'polls_vote_final' THEN 'Votes in this poll are final'
            WHEN 'polls_vote_cast_at' THEN 'The time of a vote is the time at which it is written'
            WHEN 'polls_vote_ballot' THEN 'The poll is not what this ballot showed'
            WHEN 'polls_vote_choice_count' THEN 'Too few or too many choices'
            ELSE 'An option is chosen twice'
        END);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_checkpoint_due(last timestamp with time zone) RETURNS boolean
    LANGUAGE sql
    AS $$
    SELECT date_trunc('minute', last) < date_trunc('minute', clock_timestamp())
$$;
CREATE FUNCTION public.polls_clear_tally() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM polls_tally;
    DELETE FROM polls_turnout;
    RETURN NULL;
END
$$;
CREATE TABLE public.polls_poll (
    id bigint NOT NULL,
    slug character varying(80) NOT NULL,
    title character varying(200) NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    audience character varying(10) DEFAULT 'link'::character varying NOT NULL,
    results character varying(10) DEFAULT 'always'::character varying NOT NULL,
    named boolean DEFAULT false NOT NULL,
    changeable boolean DEFAULT false NOT NULL,
    shuffled boolean DEFAULT false NOT NULL,
    listed boolean DEFAULT true NOT NULL,
    min_choices smallint DEFAULT 1 NOT NULL,
    max_choices smallint DEFAULT 1 NOT NULL,
    opens_at timestamp with time zone,
    closes_at timestamp with time zone,
    archived_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    owner_id integer,
    draw_source character varying(200) DEFAULT ''::character varying NOT NULL,
    time_zone character varying(50) DEFAULT ''::character varying NOT NULL,
    content_hash character varying(64) DEFAULT ''::character varying NOT NULL,
    locked boolean DEFAULT false NOT NULL,
    recountable boolean DEFAULT false NOT NULL,
    revision integer DEFAULT 0 NOT NULL,
    CONSTRAINT polls_poll_audience CHECK (((audience)::text = ANY ((ARRAY['link'::character varying, 'account'::character varying, 'invite'::character varying])::text[]))),
    CONSTRAINT polls_poll_choice_range CHECK (((max_choices >= min_choices) AND (min_choices >= 1))),
    CONSTRAINT polls_poll_locked_closes CHECK (((NOT locked) OR (opens_at IS NULL) OR (closes_at IS NOT NULL))),
    CONSTRAINT polls_poll_max_choices_check CHECK ((max_choices >= 0)),
    CONSTRAINT polls_poll_min_choices_check CHECK ((min_choices >= 0)),
    CONSTRAINT polls_poll_recountable CHECK (((NOT recountable) OR (NOT ((results)::text = 'owner'::text)))),
    CONSTRAINT polls_poll_results CHECK (((results)::text = ANY ((ARRAY['always'::character varying, 'voted'::character varying, 'closed'::character varying, 'owner'::character varying])::text[]))),
    CONSTRAINT polls_poll_window CHECK (((opens_at IS NULL) OR (closes_at IS NULL) OR (closes_at > opens_at)))
);
CREATE FUNCTION public.polls_content_hash(poll public.polls_poll) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT encode(sha256(convert_to((
        jsonb_build_array(
            poll.title, poll.description, poll.audience, poll.results, poll.named, poll.changeable, poll.shuffled,
            poll.locked, poll.recountable, poll.min_choices, poll.max_choices, poll.draw_source
        ) || coalesce((
            SELECT jsonb_agg(option.text ORDER BY option.position, option.id)
              FROM polls_option AS option WHERE option.poll_id = poll.id
        ), '[]')
    )::text, 'UTF8')), 'hex')
$$;
CREATE FUNCTION public.polls_correct() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE polls_poll SET title = NEW.after WHERE id = NEW.poll_id AND NEW.field = 'title';
    UPDATE polls_poll SET description = NEW.after WHERE id = NEW.poll_id AND NEW.field = 'description';
    UPDATE polls_option SET text = NEW.after WHERE id = NEW.option_id;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_count_votes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    sign CONSTANT integer := TG_ARGV[0];
    own_slot CONSTANT integer := pg_backend_pid() % 16;
BEGIN
    INSERT INTO polls_tally AS tally (poll_id, option_id, slot, votes)
    SELECT poll_id, option_id, own_slot, sign * count(*)
      FROM counted CROSS JOIN unnest(choices) AS option_id
     GROUP BY poll_id, option_id
     ORDER BY poll_id, option_id
        ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = tally.votes + excluded.votes;
    IF NOT FOUND THEN -- there are no votes: each has a choice
        RETURN NULL;
    END IF;
    INSERT INTO polls_turnout AS turnout (poll_id, slot, voters)
    SELECT poll_id, own_slot, sign * count(*)
      FROM counted
     GROUP BY poll_id
     ORDER BY poll_id
        ON CONFLICT (poll_id, slot) DO UPDATE SET voters = turnout.voters + excluded.voters;
    INSERT INTO polls_journal (poll_id, added, removed)
    SELECT poll_id,
           CASE sign WHEN 1 THEN polls_leaf(poll_id, voter, seal, choices) END,
           CASE sign WHEN -1 THEN polls_leaf(poll_id, voter, seal, choices) END
      FROM counted;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_draw_winner() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
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
    IF NEW.number > 1 AND NEW.reason ~ '^\s*$' THEN
        PERFORM polls_refuse('polls_draw_again_with_reason', 'A draw after the first needs a reason');
    END IF;
    IF NEW.number > 99 THEN
        PERFORM polls_refuse('polls_draw_most', 'A poll has at most 99 draws');
    END IF;
    SELECT draw_source INTO source FROM polls_poll WHERE id = NEW.poll_id;
    IF source <> '' AND NEW.public_value ~ '^\s*$' THEN
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
$_$;
CREATE FUNCTION public.polls_entry_code(poll_id bigint, option_id bigint, voter text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT encode(polls_hmac(secret.secret, coalesce(option_id::text, 'all') || '/' || voter), 'hex')
      FROM polls_secret AS secret
     WHERE secret.poll_id = polls_entry_code.poll_id
$$;
CREATE FUNCTION public.polls_forget_journal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM polls_journal WHERE poll_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_forget_steps() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM polls_step WHERE poll_id IN (SELECT poll_id FROM touched);
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_freeze_entries() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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
           encode(sha256(convert_to(string_agg(encode(code, 'hex') || E'\n', ''), 'UTF8')), 'hex')
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
CREATE FUNCTION public.polls_guard_content() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF pg_trigger_depth() = 1 AND polls_hold_votes(OLD.id) THEN
        PERFORM polls_refuse('polls_poll_frozen', 'The text of a poll with votes is changed by a correction only');
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_guard_drawn() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM polls_hold_votes(OLD.id);
    IF EXISTS (SELECT FROM polls_entries WHERE poll_id = OLD.id) THEN
        PERFORM polls_refuse('polls_poll_drawn', 'A poll with a draw stays closed');
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_guard_invited() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM polls_poll WHERE id = NEW.poll_id AND locked AND opens_at <= clock_timestamp()) THEN
        PERFORM polls_refuse('polls_poll_locked', 'This poll is locked: no one is invited after it has opened');
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_guard_locked() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF OLD.opens_at <= clock_timestamp() THEN
        PERFORM polls_refuse('polls_poll_locked', 'This poll is locked: its rules and times are fixed since it opened');
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_guard_option() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF (TG_OP <> 'DELETE' AND polls_hold_votes(NEW.poll_id)) OR (TG_OP <> 'INSERT' AND polls_hold_votes(OLD.poll_id))
    THEN
        PERFORM polls_refuse('polls_option_frozen', 'The options of a poll are frozen from its first vote on');
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE FUNCTION public.polls_guard_poll() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT polls_hold_votes(OLD.id) THEN
        IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM polls_checkpoint WHERE poll_id = OLD.id) THEN
            PERFORM polls_refuse('polls_poll_kept', 'A poll that had votes is archived, not deleted');
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM polls_refuse('polls_poll_kept', 'A poll with votes is archived, not deleted');
    END IF;
    IF (OLD.id, OLD.slug, OLD.audience, OLD.named, OLD.changeable, OLD.shuffled, OLD.locked, OLD.recountable,
        OLD.min_choices, OLD.max_choices, OLD.opens_at)
        IS DISTINCT FROM
       (NEW.id, NEW.slug, NEW.audience, NEW.named, NEW.changeable, NEW.shuffled, NEW.locked, NEW.recountable,
        NEW.min_choices, NEW.max_choices, NEW.opens_at)
    THEN
        PERFORM polls_refuse('polls_poll_frozen', 'The rules of a poll are frozen from its first vote on');
    END IF;
    -- No closing in the past: votes were taken until now, when the lock was granted.
    IF NEW.closes_at < clock_timestamp() THEN
        NEW.closes_at := greatest(NEW.closes_at, least(OLD.closes_at, clock_timestamp()));
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_guard_secret() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF polls_state(OLD.opens_at, OLD.closes_at, OLD.archived_at) = 'open' AND polls_hold_votes(OLD.id) THEN
        PERFORM polls_refuse('polls_poll_secret',
            'From the first vote on until the poll has closed, its results stay hidden, or shown, from everyone');
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_hash_again(link bytea, times integer) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    FOR _ IN 1 .. times LOOP
        link := sha256(link);
    END LOOP;
    RETURN link;
END
$$;
CREATE FUNCTION public.polls_hmac(key bytea, message text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT sha256(polls_hmac_pad(key, 92) || sha256(polls_hmac_pad(key, 54) || convert_to(message, 'UTF8')))
$$;
CREATE FUNCTION public.polls_hmac_pad(key bytea, mask integer) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT string_agg(set_byte('x', 0, get_byte(key || decode(repeat('00', 32), 'hex'), place) # mask), ''
                      ORDER BY place)
      FROM generate_series(0, 63) AS place
$$;
CREATE FUNCTION public.polls_hold_closed(asked bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- A snapshot as old as the transaction would not see the last votes.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_draw_read_committed', 'Draws are made in READ COMMITTED transactions only');
    END IF;
    PERFORM polls_hold_votes(asked);
    IF NOT EXISTS (SELECT FROM polls_poll WHERE id = asked AND closes_at <= clock_timestamp()) THEN
        PERFORM polls_refuse('polls_draw_after_closing', 'A winner is drawn after the poll has closed');
    END IF;
END
$$;
CREATE FUNCTION public.polls_hold_votes(poll_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(polls_lock_key(poll_id));
    RETURN EXISTS (SELECT FROM polls_vote AS vote WHERE vote.poll_id = polls_hold_votes.poll_id);
END
$$;
CREATE FUNCTION public.polls_leaf(poll_id bigint, voter text, seal bytea, choices bigint[]) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    SELECT sha256(
        sha256(coalesce(seal, polls_seal_of(poll_id, voter)))
        || sha256(coalesce(seal, polls_seal_of(poll_id, voter)) || convert_to(array_to_string(choices, ','), 'UTF8'))
        || convert_to(array_to_string(choices, ','), 'UTF8')
    )
$$;
CREATE FUNCTION public.polls_lock_key(poll_id bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT hashtextextended('polls_poll', poll_id)
$$;
CREATE FUNCTION public.polls_log_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    before CONSTANT jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
    after CONSTANT jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
    hidden CONSTANT text[] := ARRAY['token_hash', 'content_hash', 'revision'];
BEGIN
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    SELECT coalesce(after ->> TG_ARGV[1], before ->> TG_ARGV[1])::bigint,
           clock_timestamp(),
           polls_actor(),
           TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN ' added' WHEN 'UPDATE' THEN ' changed' ELSE ' removed' END,
           coalesce(jsonb_object_agg(key, jsonb_build_array(before -> key, after -> key)), '{}')
      FROM jsonb_object_keys(before || after) AS key
     WHERE before -> key IS DISTINCT FROM after -> key
       AND key <> ALL (hidden)
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_log_entries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    VALUES (NEW.poll_id, NEW.frozen_at, NEW.frozen_by, 'entries added', jsonb_build_object(
        'option_id', jsonb_build_array(NULL, NEW.option_id),
        'entries', jsonb_build_array(NULL, octet_length(NEW.codes) / 32),
        'hash', jsonb_build_array(NULL, NEW.hash)));
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_log_invites() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO polls_event (poll_id, at, actor, action, details)
        SELECT poll_id, clock_timestamp(), polls_actor(), 'invites added',
               jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
          FROM new_invites
         GROUP BY poll_id;
    WHEN 'DELETE' THEN
        INSERT INTO polls_event (poll_id, at, actor, action, details)
        SELECT poll_id, clock_timestamp(), polls_actor(), 'invites removed',
               jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
          FROM old_invites
         GROUP BY poll_id;
    ELSE
        INSERT INTO polls_event (poll_id, at, actor, action, details)
        SELECT after.poll_id, clock_timestamp(), polls_actor(), 'invites ' || done,
               jsonb_build_object('count', jsonb_build_array(NULL, count(*)))
          FROM new_invites AS after
          JOIN old_invites AS before USING (id)
         CROSS JOIN LATERAL (
            SELECT CASE WHEN before.token_hash <> after.token_hash OR before.issued_at <> after.issued_at THEN 'replaced'
                        WHEN before.revoked_at IS NULL THEN 'revoked'
                        ELSE 'changed' END AS done
         ) AS what
         WHERE before IS DISTINCT FROM after
         GROUP BY after.poll_id, done;
    END CASE;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_looks(text text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    AS $$
    SELECT lower(btrim(regexp_replace(visible, '\s+', ' ', 'g')))
      FROM regexp_replace(normalize(text, NFKC), '[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]', '', 'g')
           AS visible
$$;
CREATE FUNCTION public.polls_make_secret() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
DECLARE
    secret CONSTANT bytea := polls_random_bytes();
    commitment CONSTANT text := encode(polls_hash_again(secret, 100), 'hex');
BEGIN
    INSERT INTO polls_secret (poll_id, secret, commitment) VALUES (NEW.id, secret, commitment);
    INSERT INTO polls_event (poll_id, at, actor, action, details)
    VALUES (NEW.id, clock_timestamp(), polls_actor(), 'secret added',
            jsonb_build_object('commitment', jsonb_build_array(NULL, commitment)));
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_not_truncated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM polls_refuse(TG_TABLE_NAME || '_not_truncated', 'What is written here is not truncated');
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_note_correction() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT polls_hold_votes(NEW.poll_id) THEN
        PERFORM polls_refuse('polls_correction_with_votes', 'A poll without votes is edited, not corrected');
    END IF;
    NEW.before := CASE NEW.field
        WHEN 'title' THEN (SELECT title FROM polls_poll WHERE id = NEW.poll_id)
        WHEN 'description' THEN (SELECT description FROM polls_poll WHERE id = NEW.poll_id)
        ELSE (SELECT text FROM polls_option WHERE id = NEW.option_id AND poll_id = NEW.poll_id)
    END;
    IF NEW.before IS NULL THEN
        PERFORM polls_refuse('polls_correction_target', 'This is no option of the poll');
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_pin_vote() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM polls_refuse('polls_vote_pinned', 'A vote keeps its poll, its voter and its seal');
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_random_bytes() RETURNS bytea
    LANGUAGE sql
    AS $$
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$$;
CREATE FUNCTION public.polls_recount_votes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM new_votes) THEN
        RETURN NULL;
    END IF;
    INSERT INTO polls_tally AS tally (poll_id, option_id, slot, votes)
    SELECT poll_id, option_id, pg_backend_pid() % 16, sum(sign)
      FROM (SELECT poll_id, choices, 1 AS sign FROM new_votes
            UNION ALL
            SELECT poll_id, choices, -1 FROM old_votes) AS changed
     CROSS JOIN unnest(choices) AS option_id
     GROUP BY poll_id, option_id
    HAVING sum(sign) <> 0
     ORDER BY poll_id, option_id
        ON CONFLICT (poll_id, option_id, slot) DO UPDATE SET votes = tally.votes + excluded.votes;
    INSERT INTO polls_journal (poll_id, added, removed)
    SELECT after.poll_id, polls_leaf(after.poll_id, after.voter, after.seal, after.choices),
           polls_leaf(before.poll_id, before.voter, before.seal, before.choices)
      FROM new_votes AS after
      JOIN old_votes AS before USING (id)
     WHERE (after.voter, after.choices, after.seal) IS DISTINCT FROM (before.voter, before.choices, before.seal);
    RETURN NULL;
END
$$;
CREATE FUNCTION public.polls_refuse(rule text, reason text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END
$$;
CREATE FUNCTION public.polls_role() RETURNS text
    LANGUAGE sql STABLE
    AS $$
    SELECT left(coalesce(nullif(current_setting('polls.role', true), ''), 'operator'), 10)
$$;
CREATE FUNCTION public.polls_seal_of(asked bigint, voter text) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$
    SELECT sha256(secret || convert_to(voter, 'UTF8')) FROM polls_secret WHERE poll_id = asked
$$;
CREATE FUNCTION public.polls_stamp_poll() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.revision := CASE TG_OP WHEN 'UPDATE' THEN OLD.revision + 1 ELSE 0 END;
    NEW.content_hash := polls_content_hash(NEW);
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_stamp_vote() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.cast_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_state(opens_at timestamp with time zone, closes_at timestamp with time zone, archived_at timestamp with time zone) RETURNS text
    LANGUAGE sql
    AS $$
    SELECT CASE
        WHEN archived_at IS NOT NULL THEN 'archived'
        WHEN opens_at IS NULL THEN 'draft'
        WHEN clock_timestamp() < opens_at THEN 'scheduled'
        WHEN clock_timestamp() >= closes_at THEN 'closed'
        ELSE 'open'
    END
$$;
CREATE FUNCTION public.polls_take_checkpoint() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    -- Where choices become public, a batch has so many votes at least, so that nobody learns when which one was cast.
    company CONSTANT integer := 20;
    poll polls_poll;
    last polls_checkpoint;
    at timestamptz;
    lines bytea;
    head text;
BEGIN
    -- A snapshot as old as the transaction would not see the votes that were under way.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_checkpoint_read_committed',
            'Checkpoints are taken in READ COMMITTED transactions only');
    END IF;
    -- One after the other. Votes take another lock, and do not wait for this one.
    PERFORM pg_advisory_xact_lock(hashtextextended('polls_checkpoint', NEW.poll_id));
    SELECT * INTO last FROM polls_checkpoint WHERE poll_id = NEW.poll_id ORDER BY number DESC LIMIT 1;
    BEGIN
        -- While this waits, votes wait behind it: not for long, should one of them take its time.
        PERFORM set_config('lock_timeout', '200ms', true);
        PERFORM pg_advisory_xact_lock(polls_lock_key(NEW.poll_id));
        -- No vote is under way: what the journal holds is committed, and what follows gets higher numbers.
        at := clock_timestamp();
        SELECT * INTO poll FROM polls_poll WHERE id = NEW.poll_id;
        SELECT coalesce(max(number), last.upto, 0) INTO NEW.upto
          FROM polls_journal WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0);
        SELECT coalesce(array_agg(id ORDER BY position, id), '{}') INTO NEW.option_ids
          FROM polls_option WHERE poll_id = NEW.poll_id;
        -- Rolling back gives the lock back. Variables keep their values, and votes do not wait for what follows.
        RAISE EXCEPTION USING ERRCODE = 'CUT00';
    EXCEPTION
        WHEN SQLSTATE 'CUT00' THEN NULL;
        WHEN lock_not_available THEN RETURN NULL;
    END;
    NEW.closing := coalesce(poll.closes_at <= at, false);
    IF poll.recountable AND NOT NEW.closing THEN
        SELECT coalesce(max(number), last.upto, 0) INTO NEW.upto
          FROM (
            SELECT number,
                   sum(votes) OVER (ORDER BY number) AS before,
                   sum(votes) OVER (ORDER BY number DESC) - votes AS after
              FROM polls_journal
             CROSS JOIN LATERAL (SELECT num_nonnulls(added) - num_nonnulls(removed) AS votes) AS net
             WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0) AND number <= NEW.upto
          ) AS entry
         WHERE before >= company AND after >= company;
    END IF;
    IF NEW.upto = coalesce(last.upto, 0) AND (NOT NEW.closing OR last.closing IS NOT false)
        OR NOT NEW.closing AND polls_checkpoint_due(last.taken_at) IS false
    THEN
        RETURN NULL;
    END IF;
    NEW.number := coalesce(last.number, 0) + 1;
    NEW.taken_at := date_trunc('second', at);
    -- The content hash has the texts in the order of the ids, so that no vote can be made to count for another text.
    NEW.content_hash := poll.content_hash;
    head := concat_ws(' ', NEW.number, to_char(NEW.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                      CASE WHEN NEW.closing THEN 'closed' ELSE 'open' END,
                      NEW.content_hash, array_to_string(NEW.option_ids, ','));
    -- Sorted, so that nobody learns the order of the votes in a batch, nor which vote replaced which.
    SELECT string_agg(line, '' ORDER BY line), count(*) INTO lines, NEW.entries
      FROM polls_journal
     CROSS JOIN LATERAL (VALUES ('+'::bytea || added), ('-'::bytea || removed)) AS entry (line)
     WHERE poll_id = NEW.poll_id AND number > coalesce(last.upto, 0) AND number <= NEW.upto AND line IS NOT NULL;
    NEW.hash := encode(sha256(coalesce(decode(last.hash, 'hex'), sha256(convert_to(poll.slug, 'UTF8')))
                              || sha256(convert_to(head, 'UTF8')) || coalesce(lines, '')), 'hex');
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_take_step() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- A snapshot as old as the transaction would not see the votes and the step that were under way.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        PERFORM polls_refuse('polls_step_read_committed', 'Steps are taken in READ COMMITTED transactions only');
    END IF;
    PERFORM pg_advisory_xact_lock(polls_lock_key(NEW.poll_id));
    SELECT coalesce(sum(voters), 0) INTO NEW.voters FROM polls_turnout WHERE poll_id = NEW.poll_id;
    IF NEW.voters < 5 + coalesce((SELECT max(voters) FROM polls_step WHERE poll_id = NEW.poll_id), 0) THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(jsonb_object_agg(option_id, votes), '{}') INTO NEW.votes
      FROM (SELECT option_id, sum(votes) AS votes FROM polls_tally WHERE poll_id = NEW.poll_id GROUP BY option_id)
           AS counted;
    RETURN NEW;
END
$$;
CREATE FUNCTION public.polls_touch_polls() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE polls_poll SET content_hash = '' WHERE id IN (SELECT poll_id FROM touched);
    RETURN NULL;
END
$$;
CREATE TABLE public.polls_checkpoint (
    poll_id bigint NOT NULL,
    number integer NOT NULL,
    upto bigint NOT NULL,
    hash character varying(64) NOT NULL,
    closing boolean NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    content_hash character varying(64) NOT NULL,
    option_ids bigint[] NOT NULL,
    entries integer NOT NULL
);
CREATE TABLE public.polls_correction (
    id bigint NOT NULL,
    field character varying(11) NOT NULL,
    before text DEFAULT ''::text NOT NULL,
    after text NOT NULL,
    reason character varying(200) NOT NULL,
    corrected_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    option_id bigint,
    poll_id bigint NOT NULL,
    CONSTRAINT polls_correction_reason CHECK ((NOT ((reason)::text ~ '^\s*$'::text))),
    CONSTRAINT polls_correction_target CHECK (((((field)::text = 'option'::text) AND (option_id IS NOT NULL)) OR (((field)::text = ANY ((ARRAY['title'::character varying, 'description'::character varying])::text[])) AND (option_id IS NULL))))
);
ALTER TABLE public.polls_correction ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_correction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_draw (
    id bigint NOT NULL,
    number integer NOT NULL,
    public_value character varying(500) DEFAULT ''::character varying NOT NULL,
    reason character varying(200) DEFAULT ''::character varying NOT NULL,
    secret character varying(64) NOT NULL,
    winner character varying(64) NOT NULL,
    alternates character varying(64)[] NOT NULL,
    drawn_at timestamp with time zone NOT NULL,
    drawn_by character varying(200) NOT NULL,
    option_id bigint,
    poll_id bigint NOT NULL,
    CONSTRAINT polls_draw_again_with_reason CHECK (((number = 1) OR (NOT ((reason)::text ~ '^\s*$'::text)))),
    CONSTRAINT polls_draw_most CHECK ((number < 100)),
    CONSTRAINT polls_draw_number_check CHECK ((number >= 0))
);
ALTER TABLE public.polls_draw ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_draw_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_entries (
    id bigint NOT NULL,
    codes bytea NOT NULL,
    hash character varying(64) NOT NULL,
    frozen_at timestamp with time zone NOT NULL,
    frozen_by character varying(200) NOT NULL,
    option_id bigint,
    poll_id bigint NOT NULL
);
ALTER TABLE ONLY public.polls_entries ALTER COLUMN codes SET STORAGE EXTERNAL;
ALTER TABLE public.polls_entries ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_entries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_event (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    actor character varying(200) NOT NULL,
    action character varying(40) NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    poll_id bigint NOT NULL,
    role character varying(10) DEFAULT public.polls_role() NOT NULL
);
ALTER TABLE public.polls_event ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_invite (
    id bigint NOT NULL,
    label character varying(200) DEFAULT ''::character varying NOT NULL,
    token_hash character varying(64) NOT NULL,
    issued_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    revoked_at timestamp with time zone,
    poll_id bigint NOT NULL
);
ALTER TABLE public.polls_invite ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_invite_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_journal (
    poll_id bigint NOT NULL,
    number bigint NOT NULL,
    added bytea,
    removed bytea
);
ALTER TABLE public.polls_journal ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.polls_journal_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_option (
    id bigint NOT NULL,
    text character varying(200) NOT NULL,
    "position" smallint DEFAULT 0 NOT NULL,
    poll_id bigint NOT NULL,
    CONSTRAINT polls_option_not_blank CHECK ((NOT ((text)::text ~ '^\s*$'::text))),
    CONSTRAINT polls_option_position_check CHECK (("position" >= 0))
);
ALTER TABLE public.polls_option ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_option_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.polls_poll ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_poll_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.polls_pollkey (
    poll_id bigint NOT NULL,
    key_id character varying(16) NOT NULL
);
CREATE TABLE public.polls_secret (
    poll_id bigint NOT NULL,
    secret bytea NOT NULL,
    commitment character varying(64) NOT NULL,
    CONSTRAINT polls_secret_committed CHECK (((octet_length(secret) = 32) AND ((commitment)::text = encode(public.polls_hash_again(secret, 100), 'hex'::text))))
);
CREATE TABLE public.polls_step (
    poll_id bigint NOT NULL,
    voters bigint NOT NULL,
    votes jsonb NOT NULL
);
CREATE TABLE public.polls_tally (
    slot smallint NOT NULL,
    votes bigint NOT NULL,
    option_id bigint NOT NULL,
    poll_id bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.polls_turnout (
    slot smallint NOT NULL,
    voters bigint NOT NULL,
    poll_id bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.polls_vote (
    id bigint NOT NULL,
    voter character varying(100) NOT NULL,
    choices bigint[] NOT NULL,
    cast_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    poll_id bigint NOT NULL,
    ballot bytea,
    seal bytea DEFAULT public.polls_random_bytes(),
    CONSTRAINT polls_vote_choices_flat CHECK ((COALESCE(array_ndims(choices), 1) = 1)),
    CONSTRAINT polls_vote_hashes CHECK (((octet_length(seal) = 32) AND (octet_length(ballot) = 32)))
);
ALTER TABLE public.polls_vote ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.polls_vote_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY public.polls_checkpoint
    ADD CONSTRAINT polls_checkpoint_pkey PRIMARY KEY (poll_id, number);
ALTER TABLE ONLY public.polls_correction
    ADD CONSTRAINT polls_correction_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_draw
    ADD CONSTRAINT polls_draw_number UNIQUE (poll_id, number);
ALTER TABLE ONLY public.polls_draw
    ADD CONSTRAINT polls_draw_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_entries
    ADD CONSTRAINT polls_entries_once UNIQUE (poll_id, option_id);
ALTER TABLE ONLY public.polls_entries
    ADD CONSTRAINT polls_entries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_event
    ADD CONSTRAINT polls_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_invite
    ADD CONSTRAINT polls_invite_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_invite
    ADD CONSTRAINT polls_invite_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY public.polls_journal
    ADD CONSTRAINT polls_journal_pkey PRIMARY KEY (poll_id, number);
ALTER TABLE ONLY public.polls_option
    ADD CONSTRAINT polls_option_of_poll UNIQUE (poll_id, id);
ALTER TABLE ONLY public.polls_option
    ADD CONSTRAINT polls_option_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_option
    ADD CONSTRAINT polls_option_text UNIQUE (poll_id, text);
ALTER TABLE ONLY public.polls_poll
    ADD CONSTRAINT polls_poll_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.polls_poll
    ADD CONSTRAINT polls_poll_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.polls_pollkey
    ADD CONSTRAINT polls_pollkey_pkey PRIMARY KEY (poll_id);
ALTER TABLE ONLY public.polls_secret
    ADD CONSTRAINT polls_secret_pkey PRIMARY KEY (poll_id);
ALTER TABLE ONLY public.polls_step
    ADD CONSTRAINT polls_step_pkey PRIMARY KEY (poll_id, voters);
ALTER TABLE ONLY public.polls_tally
    ADD CONSTRAINT polls_tally_pkey PRIMARY KEY (poll_id, option_id, slot);
ALTER TABLE ONLY public.polls_turnout
    ADD CONSTRAINT polls_turnout_pkey PRIMARY KEY (poll_id, slot);
ALTER TABLE ONLY public.polls_vote
    ADD CONSTRAINT polls_vote_one_per_voter UNIQUE (poll_id, voter);
ALTER TABLE ONLY public.polls_vote
    ADD CONSTRAINT polls_vote_pkey PRIMARY KEY (id);
CREATE INDEX polls_correction_option_id_9d2291d6 ON public.polls_correction USING btree (option_id);
CREATE INDEX polls_correction_poll_id_7d364c5f ON public.polls_correction USING btree (poll_id);
CREATE INDEX polls_draw_option_id_2cc6ca1a ON public.polls_draw USING btree (option_id);
CREATE INDEX polls_draw_poll_id_dce02929 ON public.polls_draw USING btree (poll_id);
CREATE UNIQUE INDEX polls_entries_once_among_all ON public.polls_entries USING btree (poll_id) WHERE (option_id IS NULL);
CREATE INDEX polls_entries_option_id_d298d53a ON public.polls_entries USING btree (option_id);
CREATE INDEX polls_entries_poll_id_bc8f5c97 ON public.polls_entries USING btree (poll_id);
CREATE INDEX polls_event_poll_id_ecf5f3e5 ON public.polls_event USING btree (poll_id);
CREATE INDEX polls_event_record ON public.polls_event USING btree (poll_id, id) WHERE (NOT ((action)::text ~~ 'invite %'::text));
CREATE UNIQUE INDEX polls_invite_label ON public.polls_invite USING btree (poll_id, label) WHERE (NOT ((label)::text = ''::text));
CREATE INDEX polls_invite_poll_id_d082373b ON public.polls_invite USING btree (poll_id);
CREATE INDEX polls_invite_token_hash_d173b000_like ON public.polls_invite USING btree (token_hash varchar_pattern_ops);
CREATE INDEX polls_journal_removed ON public.polls_journal USING btree (poll_id) WHERE (removed IS NOT NULL);
CREATE UNIQUE INDEX polls_option_looks ON public.polls_option USING btree (poll_id, public.polls_looks((text)::text));
CREATE INDEX polls_option_poll_id_57b18242 ON public.polls_option USING btree (poll_id);
CREATE INDEX polls_poll_code ON public.polls_poll USING btree ("right"((slug)::text, 10));
CREATE INDEX polls_poll_newest ON public.polls_poll USING btree (opens_at DESC, id DESC);
CREATE INDEX polls_poll_owner_id_ba682987 ON public.polls_poll USING btree (owner_id);
CREATE INDEX polls_poll_slug_9cb4387f_like ON public.polls_poll USING btree (slug varchar_pattern_ops);
CREATE TRIGGER polls_checkpoint_append_only BEFORE DELETE OR UPDATE ON public.polls_checkpoint FOR EACH ROW EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_checkpoint_not_truncated BEFORE TRUNCATE ON public.polls_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_checkpoint_take BEFORE INSERT ON public.polls_checkpoint FOR EACH ROW EXECUTE FUNCTION public.polls_take_checkpoint();
CREATE TRIGGER polls_correction_append_only BEFORE DELETE OR UPDATE ON public.polls_correction FOR EACH ROW EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_correction_apply AFTER INSERT ON public.polls_correction FOR EACH ROW EXECUTE FUNCTION public.polls_correct();
CREATE TRIGGER polls_correction_not_truncated BEFORE TRUNCATE ON public.polls_correction FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_correction_note BEFORE INSERT ON public.polls_correction FOR EACH ROW EXECUTE FUNCTION public.polls_note_correction();
CREATE TRIGGER polls_draw_append_only BEFORE DELETE OR UPDATE ON public.polls_draw FOR EACH ROW EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_draw_compute BEFORE INSERT ON public.polls_draw FOR EACH ROW EXECUTE FUNCTION public.polls_draw_winner();
CREATE TRIGGER polls_draw_log AFTER INSERT ON public.polls_draw FOR EACH ROW EXECUTE FUNCTION public.polls_log_change('draw', 'poll_id');
CREATE TRIGGER polls_draw_not_truncated BEFORE TRUNCATE ON public.polls_draw FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_entries_append_only BEFORE DELETE OR UPDATE ON public.polls_entries FOR EACH ROW EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_entries_freeze BEFORE INSERT ON public.polls_entries FOR EACH ROW EXECUTE FUNCTION public.polls_freeze_entries();
CREATE TRIGGER polls_entries_log AFTER INSERT ON public.polls_entries FOR EACH ROW EXECUTE FUNCTION public.polls_log_entries();
CREATE TRIGGER polls_entries_not_truncated BEFORE TRUNCATE ON public.polls_entries FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_event_append_only BEFORE DELETE OR UPDATE ON public.polls_event FOR EACH ROW EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_event_by_triggers BEFORE INSERT ON public.polls_event FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_by_triggers();
CREATE TRIGGER polls_event_not_truncated BEFORE TRUNCATE ON public.polls_event FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_invite_count_delete AFTER DELETE ON public.polls_invite REFERENCING OLD TABLE AS old_invites FOR EACH STATEMENT EXECUTE FUNCTION public.polls_log_invites();
CREATE TRIGGER polls_invite_count_insert AFTER INSERT ON public.polls_invite REFERENCING NEW TABLE AS new_invites FOR EACH STATEMENT EXECUTE FUNCTION public.polls_log_invites();
CREATE TRIGGER polls_invite_count_update AFTER UPDATE ON public.polls_invite REFERENCING OLD TABLE AS old_invites NEW TABLE AS new_invites FOR EACH STATEMENT EXECUTE FUNCTION public.polls_log_invites();
CREATE TRIGGER polls_invite_guard_locked BEFORE INSERT ON public.polls_invite FOR EACH ROW EXECUTE FUNCTION public.polls_guard_invited();
CREATE TRIGGER polls_invite_guard_locked_move BEFORE UPDATE ON public.polls_invite FOR EACH ROW WHEN ((old.poll_id <> new.poll_id)) EXECUTE FUNCTION public.polls_guard_invited();
CREATE TRIGGER polls_invite_log AFTER INSERT OR DELETE OR UPDATE ON public.polls_invite FOR EACH ROW EXECUTE FUNCTION public.polls_log_change('invite', 'poll_id');
CREATE TRIGGER polls_invite_not_truncated BEFORE TRUNCATE ON public.polls_invite FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_journal_append_only BEFORE DELETE OR UPDATE ON public.polls_journal FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_journal_by_triggers BEFORE INSERT ON public.polls_journal FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_by_triggers();
CREATE TRIGGER polls_journal_not_truncated BEFORE TRUNCATE ON public.polls_journal FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_option_forget_steps_delete AFTER DELETE ON public.polls_option REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION public.polls_forget_steps();
CREATE TRIGGER polls_option_forget_steps_insert AFTER INSERT ON public.polls_option REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION public.polls_forget_steps();
CREATE TRIGGER polls_option_guard BEFORE INSERT OR DELETE ON public.polls_option FOR EACH ROW EXECUTE FUNCTION public.polls_guard_option();
CREATE TRIGGER polls_option_guard_update BEFORE UPDATE ON public.polls_option FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_guard_option();
CREATE TRIGGER polls_option_log AFTER INSERT OR DELETE OR UPDATE ON public.polls_option FOR EACH ROW EXECUTE FUNCTION public.polls_log_change('option', 'poll_id');
CREATE TRIGGER polls_option_not_truncated BEFORE TRUNCATE ON public.polls_option FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_option_touch_delete AFTER DELETE ON public.polls_option REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION public.polls_touch_polls();
CREATE TRIGGER polls_option_touch_insert AFTER INSERT ON public.polls_option REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION public.polls_touch_polls();
CREATE TRIGGER polls_option_touch_update AFTER UPDATE ON public.polls_option REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION public.polls_touch_polls();
CREATE TRIGGER polls_poll_forget_journal AFTER DELETE ON public.polls_poll FOR EACH ROW EXECUTE FUNCTION public.polls_forget_journal();
CREATE TRIGGER polls_poll_guard_content BEFORE UPDATE ON public.polls_poll FOR EACH ROW WHEN (((((old.title)::text IS DISTINCT FROM (new.title)::text) OR (old.description IS DISTINCT FROM new.description)) OR ((old.draw_source)::text IS DISTINCT FROM (new.draw_source)::text))) EXECUTE FUNCTION public.polls_guard_content();
CREATE TRIGGER polls_poll_guard_delete BEFORE DELETE ON public.polls_poll FOR EACH ROW EXECUTE FUNCTION public.polls_guard_poll();
CREATE TRIGGER polls_poll_guard_drawn BEFORE UPDATE ON public.polls_poll FOR EACH ROW WHEN ((old.closes_at IS DISTINCT FROM new.closes_at)) EXECUTE FUNCTION public.polls_guard_drawn();
CREATE TRIGGER polls_poll_guard_locked BEFORE UPDATE ON public.polls_poll FOR EACH ROW WHEN ((old.locked AND (((((((((((((old.locked IS DISTINCT FROM new.locked) OR (old.recountable IS DISTINCT FROM new.recountable)) OR ((old.audience)::text IS DISTINCT FROM (new.audience)::text)) OR (old.named IS DISTINCT FROM new.named)) OR (old.changeable IS DISTINCT FROM new.changeable)) OR (old.shuffled IS DISTINCT FROM new.shuffled)) OR ((old.results)::text IS DISTINCT FROM (new.results)::text)) OR (old.listed IS DISTINCT FROM new.listed)) OR (old.min_choices IS DISTINCT FROM new.min_choices)) OR (old.max_choices IS DISTINCT FROM new.max_choices)) OR ((old.draw_source)::text IS DISTINCT FROM (new.draw_source)::text)) OR (old.opens_at IS DISTINCT FROM new.opens_at)) OR (old.closes_at IS DISTINCT FROM new.closes_at)))) EXECUTE FUNCTION public.polls_guard_locked();
CREATE TRIGGER polls_poll_guard_locked_archive BEFORE UPDATE ON public.polls_poll FOR EACH ROW WHEN ((old.locked AND (new.archived_at IS DISTINCT FROM old.archived_at) AND (old.closes_at > clock_timestamp()))) EXECUTE FUNCTION public.polls_guard_locked();
CREATE TRIGGER polls_poll_guard_secret BEFORE UPDATE ON public.polls_poll FOR EACH ROW WHEN (((NOT old.named) AND ((old.audience)::text = 'invite'::text) AND (((old.results)::text = ANY ((ARRAY['closed'::character varying, 'owner'::character varying])::text[])) <> ((new.results)::text = ANY ((ARRAY['closed'::character varying, 'owner'::character varying])::text[]))))) EXECUTE FUNCTION public.polls_guard_secret();
CREATE TRIGGER polls_poll_guard_update BEFORE UPDATE ON public.polls_poll FOR EACH ROW WHEN ((((((((((((((old.id IS DISTINCT FROM new.id) OR ((old.slug)::text IS DISTINCT FROM (new.slug)::text)) OR ((old.audience)::text IS DISTINCT FROM (new.audience)::text)) OR (old.named IS DISTINCT FROM new.named)) OR (old.changeable IS DISTINCT FROM new.changeable)) OR (old.shuffled IS DISTINCT FROM new.shuffled)) OR (old.locked IS DISTINCT FROM new.locked)) OR (old.recountable IS DISTINCT FROM new.recountable)) OR (old.min_choices IS DISTINCT FROM new.min_choices)) OR (old.max_choices IS DISTINCT FROM new.max_choices)) OR (old.opens_at IS DISTINCT FROM new.opens_at)) OR (old.closes_at IS DISTINCT FROM new.closes_at)) OR (old.archived_at IS DISTINCT FROM new.archived_at))) EXECUTE FUNCTION public.polls_guard_poll();
CREATE TRIGGER polls_poll_log AFTER INSERT OR DELETE OR UPDATE ON public.polls_poll FOR EACH ROW EXECUTE FUNCTION public.polls_log_change('poll', 'id');
CREATE TRIGGER polls_poll_not_truncated BEFORE TRUNCATE ON public.polls_poll FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_poll_secret AFTER INSERT ON public.polls_poll FOR EACH ROW EXECUTE FUNCTION public.polls_make_secret();
CREATE TRIGGER polls_poll_stamp BEFORE INSERT OR UPDATE ON public.polls_poll FOR EACH ROW EXECUTE FUNCTION public.polls_stamp_poll();
CREATE TRIGGER polls_pollkey_not_truncated BEFORE TRUNCATE ON public.polls_pollkey FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_secret_append_only BEFORE UPDATE ON public.polls_secret FOR EACH ROW EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_secret_by_triggers BEFORE INSERT ON public.polls_secret FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_by_triggers();
CREATE TRIGGER polls_secret_kept BEFORE DELETE ON public.polls_secret FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_secret_not_truncated BEFORE TRUNCATE ON public.polls_secret FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_step_append_only BEFORE DELETE OR UPDATE ON public.polls_step FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_append_only();
CREATE TRIGGER polls_step_not_truncated BEFORE TRUNCATE ON public.polls_step FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_step_take BEFORE INSERT ON public.polls_step FOR EACH ROW EXECUTE FUNCTION public.polls_take_step();
CREATE TRIGGER polls_tally_by_triggers BEFORE INSERT OR DELETE OR UPDATE ON public.polls_tally FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_by_triggers();
CREATE TRIGGER polls_tally_not_truncated BEFORE TRUNCATE ON public.polls_tally FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_turnout_by_triggers BEFORE INSERT OR DELETE OR UPDATE ON public.polls_turnout FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION public.polls_by_triggers();
CREATE TRIGGER polls_turnout_not_truncated BEFORE TRUNCATE ON public.polls_turnout FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_vote_check_delete AFTER DELETE ON public.polls_vote REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.polls_check_votes();
CREATE TRIGGER polls_vote_check_insert AFTER INSERT ON public.polls_vote REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.polls_check_votes();
CREATE TRIGGER polls_vote_check_update AFTER UPDATE ON public.polls_vote REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION public.polls_check_votes();
CREATE TRIGGER polls_vote_check_voter_key AFTER INSERT ON public.polls_vote REFERENCING NEW TABLE AS written FOR EACH STATEMENT WHEN ((COALESCE(current_setting('polls.key_id'::text, true), ''::text) <> ''::text)) EXECUTE FUNCTION public.polls_check_voter_key();
CREATE TRIGGER polls_vote_count_delete AFTER DELETE ON public.polls_vote REFERENCING OLD TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION public.polls_count_votes('-1');
CREATE TRIGGER polls_vote_count_insert AFTER INSERT ON public.polls_vote REFERENCING NEW TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION public.polls_count_votes('1');
CREATE TRIGGER polls_vote_count_truncate AFTER TRUNCATE ON public.polls_vote FOR EACH STATEMENT EXECUTE FUNCTION public.polls_clear_tally();
CREATE TRIGGER polls_vote_count_update AFTER UPDATE ON public.polls_vote REFERENCING OLD TABLE AS old_votes NEW TABLE AS new_votes FOR EACH STATEMENT EXECUTE FUNCTION public.polls_recount_votes();
CREATE TRIGGER polls_vote_not_truncated BEFORE TRUNCATE ON public.polls_vote FOR EACH STATEMENT EXECUTE FUNCTION public.polls_not_truncated();
CREATE TRIGGER polls_vote_pin BEFORE UPDATE ON public.polls_vote FOR EACH ROW WHEN (((old.id <> new.id) OR (old.poll_id <> new.poll_id) OR ((old.voter)::text <> (new.voter)::text) OR ((old.seal IS DISTINCT FROM new.seal) AND (old.seal IS NOT NULL)))) EXECUTE FUNCTION public.polls_pin_vote();
CREATE TRIGGER polls_vote_stamp BEFORE UPDATE ON public.polls_vote FOR EACH ROW EXECUTE FUNCTION public.polls_stamp_vote();
ALTER TABLE ONLY public.polls_checkpoint
    ADD CONSTRAINT polls_checkpoint_poll_id_850e3f98_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_correction
    ADD CONSTRAINT polls_correction_option_id_9d2291d6_fk_polls_option_id FOREIGN KEY (option_id) REFERENCES public.polls_option(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_correction
    ADD CONSTRAINT polls_correction_poll_id_7d364c5f_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_draw
    ADD CONSTRAINT polls_draw_option_id_2cc6ca1a_fk_polls_option_id FOREIGN KEY (option_id) REFERENCES public.polls_option(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_draw
    ADD CONSTRAINT polls_draw_poll_id_dce02929_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_entries
    ADD CONSTRAINT polls_entries_option_id_d298d53a_fk_polls_option_id FOREIGN KEY (option_id) REFERENCES public.polls_option(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_entries
    ADD CONSTRAINT polls_entries_option_of_poll FOREIGN KEY (poll_id, option_id) REFERENCES public.polls_option(poll_id, id);
ALTER TABLE ONLY public.polls_entries
    ADD CONSTRAINT polls_entries_poll_id_bc8f5c97_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_invite
    ADD CONSTRAINT polls_invite_poll_id_d082373b_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_option
    ADD CONSTRAINT polls_option_poll_id_57b18242_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_poll
    ADD CONSTRAINT polls_poll_owner_id_ba682987_fk_auth_user_id FOREIGN KEY (owner_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.polls_pollkey
    ADD CONSTRAINT polls_pollkey_poll FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.polls_secret
    ADD CONSTRAINT polls_secret_poll FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.polls_tally
    ADD CONSTRAINT polls_tally_option_of_poll FOREIGN KEY (poll_id, option_id) REFERENCES public.polls_option(poll_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.polls_turnout
    ADD CONSTRAINT polls_turnout_poll FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.polls_vote
    ADD CONSTRAINT polls_vote_poll_id_482e29e3_fk_polls_poll_id FOREIGN KEY (poll_id) REFERENCES public.polls_poll(id) DEFERRABLE INITIALLY DEFERRED;
