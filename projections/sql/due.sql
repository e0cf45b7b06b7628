-- What the timers look for: partial indexes, so that a pass costs what is due, not what is on record.

create index generation_retries on generation (retry_at) where status = 'retrying';
create index generation_leases on generation (leased_until_at) where status = 'processing';
create index generation_starts on generation (start_by_at) where status = 'queued';
create index generation_deadlines on generation (deadline_at)
    where status in ('queued', 'processing', 'retrying');
create index generation_clearing on generation (clears_at)
    where clears_at is not null and cleared_at is null;

create index training_retries on training (retry_at) where status = 'retrying';
create index training_leases on training (leased_until_at) where status = 'processing';
create index training_starts on training (start_by_at) where status = 'queued';
create index training_deadlines on training (deadline_at)
    where status in ('queued', 'processing', 'retrying');

create index purchase_expiries on purchase (expires_at) where status = 'started';
