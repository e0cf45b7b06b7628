-- Each switch of the maintenance mode; the last row tells whether it is on.

CREATE TABLE maintenance_switch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    is_on boolean NOT NULL,
    switched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
