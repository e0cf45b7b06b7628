-- What each shard's events brought into accounts that are not guarded; readers add the shards up.

create table open_account (
    shard smallint not null,
    account text collate "C" not null,
    colour text collate "C" not null,
    amount bigint not null,
    constraint open_account_pkey primary key (account, colour, shard)
) with (fillfactor = 70);
