-- How far each projection has come, per shard. Its rows change in the transaction that changes
-- the projection's own rows, so both are the same prefix of the shard at every moment (G11).

create table projection_checkpoint (
    projection text collate "C" not null,
    version smallint not null check (version > 0),
    shard smallint not null,
    position bigint not null default 0 check (position >= 0),
    state text not null default 'following'
        check (state in ('following', 'stopped', 'rebuilding')),
    error text,
    updated_at timestamptz not null default clock_timestamp(),
    constraint projection_checkpoint_pkey primary key (projection, version, shard),
    constraint projection_stops_with_an_error check ((state = 'stopped') = (error is not null))
) with (fillfactor = 30);
