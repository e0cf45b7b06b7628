-- The book: what is true. Rows of book, event, entry and outcome never change;
-- head and balance change through append_events_v1 only (design section 5). It checks what it
-- writes: PostgreSQL parses a CHECK again at each statement, so only those of money are here too.

create table book (
    book_id uuid not null,
    shards smallint not null check (shards between 1 and 256 and (shards & (shards - 1)) = 0),
    created_at timestamptz not null default clock_timestamp()
);
create unique index book_is_one_row on book ((true));

create table event (
    shard smallint not null,
    position bigint not null,
    event_id uuid not null,
    stream text collate "C" not null,
    version bigint not null,
    type text collate "C" not null,
    schema_version smallint not null,
    data text not null,
    entries text,
    metadata text not null,
    movement_key text collate "C",
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    hash bytea not null,
    constraint event_pkey primary key (shard, position),
    constraint event_id_is_unique unique (shard, event_id),
    constraint event_version_is_unique unique (shard, stream, version),
    constraint event_moves_by_key check ((entries is null) = (movement_key is null))
);
-- Most events move nothing: a partial index leaves them out.
create unique index event_movement_key_is_unique on event (shard, movement_key)
    where movement_key is not null;

create table entry (
    shard smallint not null,
    position bigint not null,
    line smallint not null,
    account text collate "C" not null,
    colour text collate "C" not null,
    amount bigint not null check (amount <> 0 and abs(amount) <= 1000000000),
    constraint entry_pkey primary key (shard, position, line)
);
create index entry_by_account on entry (account, colour, shard, position);

create table outcome (
    shard smallint not null,
    scope text collate "C" not null,
    key text collate "C" not null,
    fingerprint text not null,
    status smallint not null,
    code text,
    details text,
    stream text collate "C",
    version bigint,
    recorded_at timestamptz not null default clock_timestamp(),
    constraint outcome_pkey primary key (shard, scope, key)
);

create table head (
    shard smallint not null constraint head_pkey primary key,
    position bigint not null,
    hash bytea not null,
    recorded_at timestamptz not null
) with (fillfactor = 10);

create table balance (
    shard smallint not null,
    account text collate "C" not null,
    colour text collate "C" not null,
    amount bigint not null,
    constraint balance_pkey primary key (shard, account, colour),
    constraint balance_is_not_negative check (amount between 0 and 9007199254740991)
) with (fillfactor = 70);
