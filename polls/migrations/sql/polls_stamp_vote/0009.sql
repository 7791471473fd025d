-- The time of a vote is the database's.
CREATE OR REPLACE FUNCTION polls_stamp_vote()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.cast_at := clock_timestamp();
    RETURN NEW;
END
$$;
