-- The chain (design section 5): SHA-256 over length-framed fields. docs/reference/book-format.md.
-- In plpgsql: SQL functions that PostgreSQL cannot inline are parsed again at each call.

-- Each field as 4-byte big-endian length and UTF-8 bytes; null as length ffffffff.
create function hash_frame_v1(fields text[]) returns bytea
language plpgsql immutable parallel safe as $$
declare
    framed bytea := '';
    field text;
begin
    foreach field in array fields loop
        framed := framed || coalesce(
            int4send(octet_length(field)) || convert_to(field, 'UTF8'), int4send(-1)
        );
    end loop;
    return framed;
end
$$;

create function hash_time_v1(value timestamptz) returns text
language plpgsql stable parallel safe as $$
begin
    return to_char(value at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
end
$$;

-- The hash of position 0 of a shard.
create function hash_genesis_v1(book_id uuid, shard smallint, shards smallint) returns bytea
language plpgsql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
begin
    return sha256(hash_frame_v1(array['1', book_id::text, shard::text, shards::text]));
end
$$;
