-- The embedded task queue (design section 9): its queues, and the messages waiting in them.

CREATE TABLE task_queue (
    name text COLLATE "C" PRIMARY KEY,
    delivery_limit integer CHECK (delivery_limit >= 0), -- NULL: no limit
    max_length integer NOT NULL CHECK (max_length > 0),
    lease_seconds double precision NOT NULL CHECK (lease_seconds > 0),
    dead_letter_queue text COLLATE "C" REFERENCES task_queue (name)
);

-- `id` is the order of delivery. A message that was taken is out of sight until `available_at`;
-- whoever took it proves it with `receipt`. Rows come and go: vacuum early, update in place.
CREATE TABLE task_message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL,
    deliveries integer NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL DEFAULT now(),
    receipt uuid,
    queued_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT task_message_is_queued_once UNIQUE (queue, message_id)
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX task_message_in_order ON task_message (queue, id);
