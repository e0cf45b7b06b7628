-- Opens the book once: its one row and a head for each shard. A second call changes nothing.

create function create_book_v1(p_book_id uuid, p_shards integer) returns uuid
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    known uuid;
begin
    if current_setting('server_encoding') <> 'UTF8' then
        raise exception using errcode = 'LB008', message = 'The book needs a database in UTF8.';
    end if;
    lock table book in exclusive mode;
    select book_id into known from book;
    if found then
        return known;
    end if;
    insert into book (book_id, shards) values (p_book_id, p_shards);
    insert into head (shard, position, hash, recorded_at)
    select s, 0, hash_genesis_v1(p_book_id, s::smallint, p_shards::smallint), 'epoch'
    from generate_series(0, p_shards - 1) as s;
    return p_book_id;
end
$$;
