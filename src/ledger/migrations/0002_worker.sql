-- Who asked for the run: schedule, person, backfill.
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT 'person';
-- When there is next something to do for the worker; NULL when there is nothing.
ALTER TABLE runs ADD COLUMN wake_ms BIGINT;
-- When it is late (the pipeline's expected_by); NULL where nobody said.
ALTER TABLE runs ADD COLUMN deadline_ms BIGINT;

-- Few of the runs have something to do: the others are not in it.
CREATE INDEX runs_by_wake ON runs (wake_ms) WHERE wake_ms IS NOT NULL;
CREATE INDEX runs_by_state ON runs (state, pipeline, slot_ms);
CREATE INDEX runs_by_slot ON runs (slot_ms);

-- One row for each pipeline that a worker has seen or that has runs.
CREATE TABLE pipelines (
    name       TEXT   NOT NULL PRIMARY KEY,
    -- The cron expression and zone that the cursor was kept with; NULL while the pipeline has none, or no file.
    schedule   TEXT,
    -- Every slot up to this moment is in the ledger.
    cursor_ms  BIGINT NOT NULL,
    -- What is wrong with its file since it was last read; the worker goes on with the last good one.
    problem    TEXT,
    -- Set while a person has paused it.
    paused_ms  BIGINT,
    paused_by  TEXT,
    paused_why TEXT,
    -- Runs of slots up to this moment were pruned: of those that are not there, nobody knows whether they were delivered.
    forgotten_ms BIGINT
);

INSERT INTO pipelines (name, cursor_ms) SELECT pipeline, MAX(slot_ms) FROM runs GROUP BY pipeline;

-- At most one row: the worker that works, or worked last.
CREATE TABLE worker (
    id         BIGINT NOT NULL PRIMARY KEY,
    version    TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms    BIGINT NOT NULL,
    stopped_ms BIGINT
);
