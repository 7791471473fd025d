-- The state of a poll by the database's clock. VOLATILE, so that PostgreSQL can inline it.
CREATE OR REPLACE FUNCTION polls_state(opens_at timestamptz, closes_at timestamptz, archived_at timestamptz)
RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN archived_at IS NOT NULL THEN 'archived'
        WHEN opens_at IS NULL THEN 'draft'
        WHEN clock_timestamp() < opens_at THEN 'scheduled'
        WHEN clock_timestamp() >= closes_at THEN 'closed'
        ELSE 'open'
    END
$$;
