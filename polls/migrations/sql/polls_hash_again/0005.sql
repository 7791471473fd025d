-- Hash again and again: a link of the chain gives away the ones before it, and not the next.
CREATE OR REPLACE FUNCTION polls_hash_again(link bytea, times integer)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR _ IN 1 .. times LOOP
        link := sha256(link);
    END LOOP;
    RETURN link;
END
$$;
