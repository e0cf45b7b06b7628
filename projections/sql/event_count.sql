-- How many events of each type a shard has.

create table event_count (
    shard smallint not null,
    type text collate "C" not null,
    events bigint not null,
    constraint event_count_pkey primary key (shard, type)
) with (fillfactor = 50);
