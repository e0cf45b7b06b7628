-- How often the door refused a command, by the refusal's code: for a monitor, none of the book.
-- Unlogged: it costs no wait for the disk, and begins at zero after a crash of the server.

create unlogged table refusal_count (
    code text collate "C" not null constraint refusal_count_pkey primary key,
    refusals bigint not null
) with (fillfactor = 10);
