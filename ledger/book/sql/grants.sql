-- Roles (design section 5): the application appends through functions only, auditors read.

revoke all on book, event, entry, outcome, head, balance from public, ledger_app, ledger_auditor;
grant select on book, event, entry, outcome, head, balance to ledger_app;
grant select on book, event, entry, head, balance to ledger_auditor;

revoke all on all functions in schema public from public;
grant execute on function
    load_v1(smallint, text[], text[], text[], smallint[], bigint[], text[]),
    append_events_v1(
        smallint, text[], text[], text[], smallint[], text[], text[], text[], bigint[],
        uuid[], text[], bigint[], text[], smallint[], text[], text[], text[], text[], timestamptz[]
    )
to ledger_app;
grant execute on function
    hash_frame_v1(text[]), hash_time_v1(timestamptz), hash_genesis_v1(uuid, smallint, smallint)
to ledger_app, ledger_auditor;
