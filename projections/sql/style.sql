-- Styles, their training images, and how often each is used: by shard of whoever pays.

create table style (
    shard smallint not null,
    id uuid not null,
    artist_id uuid not null,
    name text,
    name_key uuid,
    description text,
    description_key uuid,
    price bigint not null,
    tags text[] not null,
    training_status text not null
        check (training_status in ('pending', 'training', 'completed', 'failed')),
    training_id uuid,
    image_count integer not null check (image_count >= 0),
    is_active boolean not null,
    model_key text,
    model_sha256 text,
    model_bytes bigint,
    version bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    trained_at timestamptz,
    constraint style_pkey primary key (shard, id)
);
create index style_by_artist on style (artist_id, created_at, id);
create index style_public on style (created_at, id) where is_active and model_key is not null;

create table style_image (
    shard smallint not null,
    id uuid not null,
    style_id uuid not null,
    number bigint not null,
    key text not null,
    sha256 text not null,
    bytes bigint not null,
    content_type text not null,
    width integer not null,
    height integer not null,
    caption text,
    caption_key uuid,
    created_at timestamptz not null,
    constraint style_image_pkey primary key (shard, id)
);
create index style_image_by_style on style_image (style_id, number);

create table style_usage (
    shard smallint not null,
    style_id uuid not null,
    requested bigint not null,
    completed bigint not null,
    failed bigint not null,
    canceled bigint not null,
    refunded bigint not null,
    captured bigint not null,
    earned bigint not null,
    constraint style_usage_pkey primary key (style_id, shard)
);
