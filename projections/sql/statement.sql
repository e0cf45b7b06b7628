-- A line for each entry of an account that a person looks at, and each shard's sum of them.

create table statement_row (
    shard smallint not null,
    position bigint not null,
    line smallint not null,
    account text collate "C" not null,
    type text collate "C" not null,
    amount bigint not null,
    colour text collate "C" not null,
    related_kind text collate "C" not null,
    related_id uuid not null,
    memo text,
    memo_key uuid,
    memo_by uuid,
    created_at timestamptz not null,
    constraint statement_row_pkey primary key (shard, position, line)
);
create index statement_row_by_account
    on statement_row (account, created_at, shard, position, line) include (amount);
create index statement_row_by_writer on statement_row (shard, memo_by) where memo is not null;

create table statement_total (
    shard smallint not null,
    account text collate "C" not null,
    amount bigint not null,
    constraint statement_total_pkey primary key (account, shard)
) with (fillfactor = 70);
