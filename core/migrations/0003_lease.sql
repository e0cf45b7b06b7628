-- How long a worker's heartbeats let it keep a task: a plain table, beside the book (design
-- section 8). The lease of its start is in the book; what is here only makes it longer.

CREATE TABLE task_lease (
    task_id uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    leased_until_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX task_lease_by_end ON task_lease (leased_until_at);
