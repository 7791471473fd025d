-- Whether an open poll gets another checkpoint after one at this time: one in each minute of the clock, at most.
CREATE OR REPLACE FUNCTION polls_checkpoint_due(last timestamptz)
RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT date_trunc('minute', last) < date_trunc('minute', clock_timestamp())
$$;
