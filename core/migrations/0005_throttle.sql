-- How many requests were let through under a name until the end of its window. A crash may empty
-- it (UNLOGGED): then every window begins anew, and no write waits for the disk.

CREATE UNLOGGED TABLE throttle (
    name bytea PRIMARY KEY,
    taken integer NOT NULL,
    ends_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX throttle_by_end ON throttle (ends_at);
