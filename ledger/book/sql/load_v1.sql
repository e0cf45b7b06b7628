-- Reads what a command is decided on, in the snapshot of the calling statement: the clock ('c'),
-- known outcomes ('o'), events of streams after a known version ('e'), balances ('b').

create function load_v1(
    p_shard smallint,
    p_scopes text[], p_keys text[],
    p_streams text[], p_stream_shards smallint[], p_after bigint[],
    p_accounts text[]
) returns table (
    kind text, name text, label text, number bigint, body text,
    code text, details text, stream text, version bigint, at timestamptz
)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    i integer;
begin
    kind := 'c';
    at := clock_timestamp();
    return next;
    for i in 1 .. cardinality(p_keys) loop
        return query
        select 'o', o.scope, o.key, o.status::bigint, o.fingerprint,
            o.code, o.details, o.stream, o.version, o.recorded_at
        from outcome as o
        where o.shard = p_shard and o.scope = p_scopes[i] and o.key = p_keys[i];
    end loop;
    for i in 1 .. cardinality(p_streams) loop
        return query
        select 'e', e.event_id::text, e.type, e.schema_version::bigint, e.data,
            null::text, null::text, e.stream, e.version, e.occurred_at
        from event as e
        where e.shard = p_stream_shards[i] and e.stream = p_streams[i] and e.version > p_after[i]
        order by e.version;
    end loop;
    if cardinality(p_accounts) > 0 then
        return query
        select 'b', b.account, b.colour, b.amount, null::text,
            null::text, null::text, null::text, null::bigint, null::timestamptz
        from balance as b
        where b.shard = p_shard and b.account = any (p_accounts);
    end if;
end
$$;
