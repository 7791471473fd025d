-- SHA-256 of what voters were asked, as it was before any correction: a JSON array of title, description, rules and
-- option texts in order, spelt as Python's json.dumps(..., ensure_ascii=False) spells it.
CREATE OR REPLACE FUNCTION polls_content_hash(asked bigint)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to((
        jsonb_build_array(
            coalesce((SELECT before FROM polls_correction WHERE poll_id = asked AND field = 'title'
                       ORDER BY id LIMIT 1), title),
            coalesce((SELECT before FROM polls_correction WHERE poll_id = asked AND field = 'description'
                       ORDER BY id LIMIT 1), description),
            audience, named, changeable, min_choices, max_choices, draw_source
        ) || coalesce((
            SELECT jsonb_agg(
                       coalesce((SELECT before FROM polls_correction AS c WHERE c.option_id = o.id
                                  ORDER BY c.id LIMIT 1), o.text)
                       ORDER BY o.position, o.id)
              FROM polls_option AS o WHERE o.poll_id = asked
        ), '[]')
    )::text, 'UTF8')), 'hex')
      FROM polls_poll WHERE id = asked
$$;
