-- One row for each delivery whose reader picks it up; it comes with the receipt.
CREATE TABLE pickups (
    run_id      TEXT   NOT NULL,
    destination TEXT   NOT NULL,
    -- By what it is known: moved, ack_file
    sign        TEXT   NOT NULL,
    -- awaited, picked_up, overdue, let_go
    state       TEXT   NOT NULL,
    -- Where the receipt says that the data lies. What takes this name later is another delivery.
    path        TEXT   NOT NULL,
    -- When the reader's time is over; NULL where nobody waits.
    due_ms      BIGINT,
    -- When the worker looks next; NULL where it looks no more.
    look_ms     BIGINT,
    -- When it came to the state that it is in, awaited excepted.
    at_ms       BIGINT,
    -- How that is known, or why it could not be looked at.
    reason      TEXT,
    PRIMARY KEY (run_id, destination),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

CREATE INDEX pickups_by_look ON pickups (look_ms) WHERE look_ms IS NOT NULL;
CREATE INDEX pickups_by_path ON pickups (destination, path);
CREATE INDEX pickups_by_state ON pickups (state, at_ms);

-- Which delivery of the run an alert is about, where it is about one.
ALTER TABLE alerts ADD COLUMN destination TEXT;
CREATE INDEX alerts_by_run ON alerts (run_id);
