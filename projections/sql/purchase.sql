-- Purchases: what was ordered, and what the payment provider said.

create table purchase (
    shard smallint not null,
    id uuid not null,
    user_id uuid not null,
    package text not null,
    tokens bigint not null,
    price_cents bigint not null,
    currency text not null,
    provider text not null,
    status text not null check (status in ('started', 'paid', 'failed', 'expired', 'refunded')),
    is_disputed boolean not null,
    is_late boolean not null,
    payment_key text,
    error_code text,
    issued bigint not null,
    unissued bigint not null,
    version bigint not null,
    expires_at timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    paid_at timestamptz,
    constraint purchase_pkey primary key (shard, id)
);
create index purchase_by_user on purchase (user_id, created_at, id);
