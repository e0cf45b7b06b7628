-- One row for each call, written and committed: what any POST that keeps something has to do.
create table bare_call (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    body text not null,
    called_at timestamptz not null default clock_timestamp()
);

create function bare_call_v1(p_user uuid, p_body text) returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    insert into bare_call (user_id, body) values (p_user, p_body) returning id
$$;

grant execute on function bare_call_v1(uuid, text) to ledger_app;
