-- The hash of what a ballot asks and promises: the texts as they are now, and every rule but the times.
CREATE OR REPLACE FUNCTION polls_content_hash(poll polls_poll)
RETURNS text LANGUAGE sql STABLE AS $$
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
