-- Append-only (G1): even the owner, and a session in replica mode, is refused. There is no bypass.

create function refuse_changes_v1() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception using
        errcode = 'LB000',
        message = format('%s on %s is refused: the book is append-only.', tg_op, tg_table_name);
end
$$;

create trigger book_never_changes before update or delete or truncate on book
    for each statement execute function refuse_changes_v1();
create trigger event_never_changes before update or delete or truncate on event
    for each statement execute function refuse_changes_v1();
create trigger entry_never_changes before update or delete or truncate on entry
    for each statement execute function refuse_changes_v1();
create trigger outcome_never_changes before update or delete or truncate on outcome
    for each statement execute function refuse_changes_v1();

alter table book enable always trigger book_never_changes;
alter table event enable always trigger event_never_changes;
alter table entry enable always trigger entry_never_changes;
alter table outcome enable always trigger outcome_never_changes;
