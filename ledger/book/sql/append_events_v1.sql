-- Appends outcomes and events to one shard: one call, one transaction (design section 5).
--
-- Order of locks, the same for every caller: outcomes (sorted by scope, key), balances (sorted by
-- shard, account, colour), the head. Nothing else in the system locks these rows.
--
-- p_entries holds per event its movement as JSON [[account, colour, amount], ...] or null; the
-- entries, the balances and their checks are all derived from it, so they cannot disagree.
--
-- A few events go through scalar statements, many through set-based ones: measured, a set-based
-- statement costs as much to start as a dozen scalar ones.
--
-- What is appended can never be taken back, so nothing is taken on trust: arrays of one shape,
-- entries that are canonical letter by letter, streams of this shard, times that others can read.
-- No literal holds a backslash: what it means is up to the session.
--
-- Own SQLSTATEs: LB001 a stream is at another version, LB002 a balance is too small,
-- LB003 a movement key was used, LB004 an outcome is known, LB005 a malformed movement,
-- LB006 a stream of another shard, LB007 too many or too large, LB008 a malformed call; also 22P02,
-- an id that is none.

create function append_events_v1(
    p_shard smallint,
    p_scopes text[], p_keys text[], p_fingerprints text[], p_statuses smallint[],
    p_codes text[], p_details text[], p_outcome_streams text[], p_outcome_versions bigint[],
    p_event_ids uuid[], p_streams text[], p_versions bigint[], p_types text[],
    p_schema_versions smallint[], p_data text[], p_entries text[], p_metadata text[],
    p_movement_keys text[], p_occurred_at timestamptz[]
) returns table (last_position bigint, appended_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
#variable_conflict use_column
declare
    events constant integer := cardinality(p_event_ids);
    outcomes constant integer := cardinality(p_keys);
    is_few constant boolean := cardinality(p_event_ids) <= 8;
    shape text;
    the_book book%rowtype;
    the_head head%rowtype;
    first_position bigint;
    recorded_time text;
    hashes bytea[] := '{}';
    -- the entries, a line each
    line_events integer[] := '{}';
    line_numbers smallint[] := '{}';
    line_accounts text[] := '{}';
    line_colours text[] := '{}';
    line_amounts bigint[] := '{}';
    -- the changes of guarded balances, sorted by place: "shard account colour"; a low is how far
    -- below its start the balance is meanwhile
    places text[] collate "C" := '{}';
    changes bigint[] := '{}';
    lows bigint[] := '{}';
    place text collate "C";
    movement jsonb;
    rebuilt text;
    the_account text;
    the_colour text;
    the_amount bigint;
    guarded_shard smallint;
    colours text[];
    sums bigint[];
    wrong text;
    known bigint;
    i integer;
    j integer;
    k integer;
begin
    select * into strict the_book from book;
    if events > 1000 or outcomes > 1000 then
        raise exception using errcode = 'LB007', message = 'Too many at once.';
    end if;

    -- One shape for all arrays: as many elements, in one dimension, counted from 1.
    shape := '[1:' || outcomes || ']';
    if outcomes is null or outcomes > 0 and (
        array_dims(p_keys) = shape and array_dims(p_scopes) = shape
        and array_dims(p_fingerprints) = shape and array_dims(p_statuses) = shape
        and array_dims(p_codes) = shape and array_dims(p_details) = shape
        and array_dims(p_outcome_streams) = shape and array_dims(p_outcome_versions) = shape
    ) is not true then
        raise exception using errcode = 'LB008', message = 'Outcomes of unequal length.';
    end if;
    shape := '[1:' || events || ']';
    if events is null or events > 0 and (
        array_dims(p_event_ids) = shape and array_dims(p_streams) = shape
        and array_dims(p_versions) = shape and array_dims(p_types) = shape
        and array_dims(p_schema_versions) = shape and array_dims(p_data) = shape
        and array_dims(p_entries) = shape and array_dims(p_metadata) = shape
        and array_dims(p_movement_keys) = shape and array_dims(p_occurred_at) = shape
    ) is not true then
        raise exception using errcode = 'LB008', message = 'Events of unequal length.';
    end if;
    if (p_shard between 0 and the_book.shards - 1) is not true then
        raise exception using errcode = 'LB006', message = 'No such shard.';
    end if;

    -- Outcomes. A twin in flight waits here until the first has committed, and then is refused.
    if outcomes = 1 then
        insert into outcome (
            shard, scope, key, fingerprint, status, code, details, stream, version
        ) values (
            p_shard, p_scopes[1], p_keys[1], p_fingerprints[1], p_statuses[1],
            p_codes[1], p_details[1], p_outcome_streams[1], p_outcome_versions[1]
        ) on conflict on constraint outcome_pkey do nothing;
        if not found then
            raise exception using errcode = 'LB004', message = 'An outcome is known.';
        end if;
    elsif outcomes > 1 then
        insert into outcome (
            shard, scope, key, fingerprint, status, code, details, stream, version
        )
        select p_shard, o.*
        from unnest(
            p_scopes, p_keys, p_fingerprints, p_statuses,
            p_codes, p_details, p_outcome_streams, p_outcome_versions
        ) as o (scope, key, fingerprint, status, code, details, stream, version)
        order by o.scope collate "C", o.key collate "C"
        on conflict on constraint outcome_pkey do nothing;
        get diagnostics known = row_count;
        if known <> outcomes then
            raise exception using errcode = 'LB004', message = 'An outcome is known.';
        end if;
    end if;
    if events = 0 then
        return;
    end if;

    -- Events: each in its shape and of this shard; null is caught by the columns.
    for i in 1 .. events loop
        if not is_id_v1(right(p_streams[i], 36))
            or left(p_streams[i], -36) !~ '^[a-z]+-$'
            or p_types[i] !~ '^[A-Z][A-Za-z]{1,99}$'
            or p_schema_versions[i] < 1
            or p_occurred_at[i] not between '2000-01-01Z' and '9999-12-31Z'
            or json_typeof(p_data[i]::json) <> 'object'
            or json_typeof(p_metadata[i]::json) <> 'object' then
            raise exception using
                errcode = 'LB008', message = 'Not an event.', detail = p_streams[i];
        end if;
        if octet_length(p_data[i]) > 65536 or octet_length(p_metadata[i]) > 8192
            or octet_length(p_entries[i]) > 131072 or octet_length(p_movement_keys[i]) > 200 then
            raise exception using
                errcode = 'LB007', message = 'Too large an event.', detail = p_streams[i];
        end if;
        if get_byte(decode(right(p_streams[i], 2), 'hex'), 0) % the_book.shards <> p_shard then
            raise exception using
                errcode = 'LB006', message = 'A stream of another shard.', detail = p_streams[i];
        end if;
    end loop;

    -- Movements: each sums to zero per colour (G2).
    for i in 1 .. events loop
        continue when p_entries[i] is null;
        if not starts_with(p_movement_keys[i], p_streams[i] || ':') then
            raise exception using
                errcode = 'LB005', message = 'A movement key of another stream.',
                detail = p_movement_keys[i];
        end if;
        movement := p_entries[i]::jsonb;
        rebuilt := '';
        colours := '{}';
        sums := '{}';
        for j in 0 .. jsonb_array_length(movement) - 1 loop
            the_account := movement -> j ->> 0;
            the_colour := movement -> j ->> 1;
            the_amount := (movement -> j ->> 2)::bigint;
            rebuilt := rebuilt || ',["' || the_account || '","' || the_colour || '",'
                || the_amount || ']';
            line_events := line_events || i;
            line_numbers := line_numbers || (j + 1)::smallint;
            line_accounts := line_accounts || the_account;
            line_colours := line_colours || the_colour;
            line_amounts := line_amounts || the_amount;
            k := array_position(colours, the_colour);
            if k is null then
                colours := colours || the_colour;
                sums := sums || the_amount;
                if the_colour not in ('paid', 'promo') and (
                    the_colour !~ '^promo@[0-9]{4}-[0-9]{2}-[0-9]{2}$'
                    or substr(the_colour, 7)::date is null
                ) then
                    raise exception using
                        errcode = 'LB005', message = 'No such colour.', detail = the_colour;
                end if;
            else
                sums[k] := sums[k] + the_amount;
            end if;
        end loop;
        if '[' || substr(rebuilt, 2) || ']' is distinct from p_entries[i] then
            raise exception using
                errcode = 'LB005', message = 'Not a movement in canonical form.',
                detail = left(p_entries[i], 200);
        end if;
        if cardinality(sums) = 0 or not 0 = all (sums) then
            raise exception using errcode = 'LB005', message = 'A movement does not sum to zero.';
        end if;
    end loop;

    -- The guarded balances they change, in the order of their locks.
    if is_few then
        for j in 1 .. cardinality(line_accounts) loop
            guarded_shard := account_shard_v1(line_accounts[j], the_book.shards);
            continue when guarded_shard is null;
            place := to_char(guarded_shard, 'FM000') || ' ' || line_accounts[j]
                || ' ' || line_colours[j];
            k := 1;
            while k <= cardinality(places) and places[k] < place loop
                k := k + 1;
            end loop;
            if places[k] = place then
                changes[k] := changes[k] + line_amounts[j];
                lows[k] := least(lows[k], changes[k]);
            else
                places := places[1 : k - 1] || place || places[k :];
                changes := changes[1 : k - 1] || line_amounts[j] || changes[k :];
                lows := lows[1 : k - 1] || least(line_amounts[j], 0) || lows[k :];
            end if;
        end loop;
    else
        select array_agg(c.place order by c.place collate "C"),
            array_agg(c.change order by c.place collate "C"),
            array_agg(c.low order by c.place collate "C")
        into places, changes, lows
        from (
            select r.place, sum(r.amount)::bigint as change, least(min(r.running), 0)::bigint as low
            from (
                select p.place, p.amount,
                    sum(p.amount) over (partition by p.place order by p.number) as running
                from (
                    select to_char(account_shard_v1(l.account, the_book.shards), 'FM000')
                        || ' ' || l.account || ' ' || l.colour as place, l.amount, l.number
                    from unnest(line_accounts, line_colours, line_amounts)
                        with ordinality as l (account, colour, amount, number)
                ) as p
                where p.place is not null
            ) as r
            group by r.place
        ) as c;
    end if;

    -- None of them goes below zero, not even in between (G3).
    for k in 1 .. coalesce(cardinality(places), 0) loop
        continue when changes[k] = 0 and lows[k] = 0;
        update balance set amount = amount + changes[k]
        where shard = split_part(places[k], ' ', 1)::smallint
            and account = split_part(places[k], ' ', 2)
            and colour = split_part(places[k], ' ', 3)
            and amount + lows[k] >= 0;
        if not found then
            if lows[k] < 0 then
                raise exception using
                    errcode = 'LB002', message = 'A balance is too small.',
                    detail = split_part(places[k], ' ', 2);
            end if;
            insert into balance (shard, account, colour, amount)
            values (
                split_part(places[k], ' ', 1)::smallint, split_part(places[k], ' ', 2),
                split_part(places[k], ' ', 3), changes[k]
            )
            on conflict on constraint balance_pkey
            do update set amount = balance.amount + excluded.amount;
        end if;
    end loop;

    -- The head: from here to the commit this shard is ours.
    select * into strict the_head from head where shard = p_shard for update;

    -- Versions: each stream goes on exactly where the book has it. Movement keys: once (I11).
    if is_few then
        for i in 1 .. events loop
            if i = 1 or p_streams[i] <> p_streams[i - 1] then
                select coalesce(max(e.version), 0) into known
                from event as e where e.shard = p_shard and e.stream = p_streams[i];
                for j in 1 .. i - 1 loop
                    known := known + (p_streams[j] = p_streams[i])::integer;
                end loop;
            else
                known := known + 1;
            end if;
            wrong := case when p_versions[i] is distinct from known + 1 then p_streams[i] end;
            exit when wrong is not null;
        end loop;
    else
        select s.stream into wrong
        from (
            select u.stream, u.version, min(u.version) over (partition by u.stream) as first,
                row_number() over (partition by u.stream order by u.number) as place
            from unnest(p_streams, p_versions) with ordinality as u (stream, version, number)
        ) as s
        where s.version is distinct from s.first + s.place - 1
            or s.place = 1 and s.version <> 1 + coalesce(
                (select max(e.version) from event as e
                where e.shard = p_shard and e.stream = s.stream), 0
            )
        limit 1;
    end if;
    if wrong is not null then
        raise exception using
            errcode = 'LB001', message = 'A stream is at another version.', detail = wrong;
    end if;
    -- One by one, for few and many: for `= any` a plan made while the book was young reads every
    -- key of the shard.
    if is_few then
        for i in 1 .. events loop
            continue when p_movement_keys[i] is null;
            perform from event as e where e.shard = p_shard and e.movement_key = p_movement_keys[i];
            if found then
                wrong := p_movement_keys[i];
            end if;
        end loop;
    else
        select k.key into wrong
        from unnest(p_movement_keys) as k (key)
        where k.key is not null
            and (select true from event as e where e.shard = p_shard and e.movement_key = k.key)
        limit 1;
    end if;
    if wrong is not null then
        raise exception using
            errcode = 'LB003', message = 'A movement key was used.', detail = wrong;
    end if;

    -- The chain: docs/reference/book-format.md.
    first_position := the_head.position + 1;
    the_head.recorded_at := greatest(clock_timestamp(), the_head.recorded_at);
    recorded_time := hash_time_v1(the_head.recorded_at);
    for i in 1 .. events loop
        the_head.position := the_head.position + 1;
        the_head.hash := sha256(
            hash_frame_v1(array['1', the_book.book_id::text])
            || int4send(32) || the_head.hash
            || hash_frame_v1(array[
                p_shard::text, the_head.position::text, p_event_ids[i]::text, p_streams[i],
                p_versions[i]::text, p_types[i], p_schema_versions[i]::text, p_data[i],
                p_entries[i], p_metadata[i], p_movement_keys[i],
                hash_time_v1(p_occurred_at[i]), recorded_time
            ])
        );
        hashes := hashes || the_head.hash;
    end loop;

    if is_few then
        for i in 1 .. events loop
            insert into event (
                shard, position, event_id, stream, version, type, schema_version, data, entries,
                metadata, movement_key, occurred_at, recorded_at, hash
            ) values (
                p_shard, first_position + i - 1, p_event_ids[i], p_streams[i], p_versions[i],
                p_types[i], p_schema_versions[i], p_data[i], p_entries[i],
                p_metadata[i], p_movement_keys[i], p_occurred_at[i], the_head.recorded_at, hashes[i]
            );
        end loop;
        for j in 1 .. cardinality(line_accounts) loop
            insert into entry (shard, position, line, account, colour, amount)
            values (
                p_shard, first_position + line_events[j] - 1, line_numbers[j],
                line_accounts[j], line_colours[j], line_amounts[j]
            );
        end loop;
    else
        insert into event (
            shard, position, event_id, stream, version, type, schema_version, data, entries,
            metadata, movement_key, occurred_at, recorded_at, hash
        )
        select
            p_shard, first_position + e.number - 1, e.event_id, e.stream, e.version,
            e.type, e.schema_version, e.data, e.entries,
            e.metadata, e.movement_key, e.occurred_at, the_head.recorded_at, e.hash
        from unnest(
            p_event_ids, p_streams, p_versions, p_types, p_schema_versions, p_data, p_entries,
            p_metadata, p_movement_keys, p_occurred_at, hashes
        ) with ordinality as e (
            event_id, stream, version, type, schema_version, data, entries,
            metadata, movement_key, occurred_at, hash, number
        );
        insert into entry (shard, position, line, account, colour, amount)
        select p_shard, first_position + l.event_number - 1, l.line, l.account, l.colour, l.amount
        from unnest(line_events, line_numbers, line_accounts, line_colours, line_amounts)
            as l (event_number, line, account, colour, amount);
    end if;

    update head
    set position = the_head.position, hash = the_head.hash, recorded_at = the_head.recorded_at
    where shard = p_shard;

    last_position := the_head.position;
    appended_at := the_head.recorded_at;
    return next;
end
$$;
