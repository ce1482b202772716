-- Events that a person must hear of, each once: the key is the kind and the run.
CREATE TABLE alerts (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    run_id       TEXT   NOT NULL,
    pipeline     TEXT   NOT NULL,
    slot         TEXT   NOT NULL,
    slot_ms      BIGINT NOT NULL,
    reason       TEXT,
    -- When it happened.
    at_ms        BIGINT NOT NULL,
    -- Set when the pipeline delivered again; an alert without it is open.
    recovered_ms BIGINT
);

CREATE INDEX alerts_by_end ON alerts (recovered_ms);

-- One row for each channel that is to carry an alert.
CREATE TABLE alert_sends (
    alert_id TEXT   NOT NULL REFERENCES alerts (id),
    channel  TEXT   NOT NULL,
    -- due, sent or failed
    state    TEXT   NOT NULL,
    attempts BIGINT NOT NULL,
    due_ms   BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    reason   TEXT,
    PRIMARY KEY (alert_id, channel)
);

CREATE INDEX alert_sends_by_due ON alert_sends (state, due_ms);

-- What happened lately, and what is late, is looked for every few seconds.
CREATE INDEX runs_by_change ON runs (state, updated_ms);
CREATE INDEX runs_by_deadline ON runs (state, deadline_ms);
