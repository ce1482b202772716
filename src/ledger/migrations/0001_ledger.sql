-- Times are milliseconds since the Unix epoch, UTC; booleans are 0 and 1. Texts in *_json columns are JSON of the types in
-- record.rs and history.rs. The same text makes the tables of SQLite and of PostgreSQL.
CREATE TABLE ledger_version (
    version BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE runs (
    id             TEXT   NOT NULL PRIMARY KEY,
    pipeline       TEXT   NOT NULL,
    slot_ms        BIGINT NOT NULL,
    slot           TEXT   NOT NULL,
    -- schedule, person, backfill
    origin         TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    reason         TEXT,
    released_by    TEXT,
    rejected_by    TEXT,
    -- A person's mark on a run that failed or was rejected: nothing more is to be done for it.
    dismissed_ms     BIGINT,
    dismissed_by     TEXT,
    dismissed_reason TEXT,
    -- The paths that its delivery replaces, where it replaces the whole content there; NULL where it adds to it.
    replaces       TEXT,
    plan_digest    TEXT   NOT NULL,
    -- The file that a person had run in place of the source. Such a run is never the slot's own: whatever asks for a slot,
    -- the newest run or the last delivery requires that the digest is empty.
    input_path     TEXT,
    input_sha256   TEXT   NOT NULL DEFAULT '',
    -- The export that the source was asked for.
    execution_id   TEXT,
    extract_json   TEXT,
    -- The export and the extract of each other source, by name.
    others_json    TEXT,
    -- Of an extract of records: the digest of its source, and the moment up to which it has their changes, as text that
    -- sorts by time: 2026-11-23 05:30:00, UTC. Both are in extract_json too. The next run reads from the latest one of a
    -- delivered run on.
    source_digest  TEXT,
    watermark      TEXT,
    rows_json      TEXT,
    artifact_json  TEXT,
    -- What was found about the artifact, and what later runs compare with.
    checked_json   TEXT,
    -- When there is next something to do for the worker; NULL when there is nothing.
    next_run_at_ms BIGINT,
    -- When it is late (the pipeline's expected_by); NULL where there is no deadline.
    deadline_ms    BIGINT,
    -- When an alert is sent if there is no artifact yet; NULL for none.
    alert_at_ms    BIGINT,
    created_ms     BIGINT NOT NULL,
    updated_ms     BIGINT NOT NULL,
    UNIQUE (pipeline, slot_ms, input_sha256)
);

CREATE INDEX runs_by_update ON runs (updated_ms);
CREATE INDEX runs_by_slot ON runs (slot_ms);
-- Few runs have something to do: the others are not in it.
CREATE INDEX runs_by_next_run ON runs (next_run_at_ms) WHERE next_run_at_ms IS NOT NULL;
CREATE INDEX runs_by_state ON runs (state, pipeline, slot_ms);
-- What changed lately, and what is late, is queried every few seconds.
CREATE INDEX runs_by_change ON runs (state, updated_ms);
CREATE INDEX runs_by_deadline ON runs (state, deadline_ms);
CREATE INDEX runs_by_alert ON runs (state, alert_at_ms);

-- The headers and the account's assignments that later runs are compared with; the newest of each kind counts.
CREATE TABLE accepted (
    pipeline    TEXT   NOT NULL,
    -- header, scope
    kind        TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    run_id      TEXT   NOT NULL,
    -- The person who accepted it; NULL if a delivered run set it.
    accepted_by TEXT,
    because     TEXT,
    value_json  TEXT   NOT NULL,
    PRIMARY KEY (pipeline, kind, at_ms, run_id)
);

-- The rows that a destination has of a pipeline with `delta`, one row each. It moves with the receipt of a later slot, and only
-- if it is still the one that the run compared with.
CREATE TABLE delta_baselines (
    pipeline    TEXT   NOT NULL,
    destination TEXT   NOT NULL,
    -- The run whose file the destination received last. It may be pruned.
    run_id      TEXT   NOT NULL,
    slot_ms     BIGINT NOT NULL,
    slot        TEXT   NOT NULL,
    -- The file in the data folder, whose name this is; empty if the pipeline had no `delta` then.
    sha256      TEXT   NOT NULL,
    keys        BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    PRIMARY KEY (pipeline, destination)
);

-- The history of each run.
CREATE TABLE events (
    run_id     TEXT   NOT NULL REFERENCES runs (id),
    number     BIGINT NOT NULL,
    at_ms      BIGINT NOT NULL,
    event_json TEXT   NOT NULL,
    PRIMARY KEY (run_id, number)
);

CREATE TABLE deliveries (
    run_id      TEXT   NOT NULL REFERENCES runs (id),
    destination TEXT   NOT NULL,
    required    BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    reason      TEXT,
    -- Attempts begun, ever; failures in a row since the backoff began.
    attempts    BIGINT NOT NULL,
    failures    BIGINT NOT NULL,
    since_ms    BIGINT,
    due_ms      BIGINT,
    intent_json TEXT,
    -- The host key that nobody accepted yet and that blocks it.
    offered_key_json TEXT,
    -- How long it may take before an alert is sent, NULL for no alert; when that is, once the run delivers.
    alert_after_ms BIGINT,
    alert_at_ms    BIGINT,
    -- Outcomes of the rows that were sent; NULL where they are not counted.
    accepted_rows   BIGINT,
    refused_rows    BIGINT,
    unanswered_rows BIGINT,
    -- How often a person had rows sent again alone.
    resends        BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, destination)
);

CREATE INDEX deliveries_by_state ON deliveries (destination, state);
CREATE INDEX deliveries_by_alert ON deliveries (state, alert_at_ms);

CREATE TABLE attempts (
    run_id      TEXT   NOT NULL,
    destination TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    started_ms  BIGINT NOT NULL,
    ended_ms    BIGINT,
    verdict     TEXT,
    reason      TEXT,
    PRIMARY KEY (run_id, destination, number),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

-- One row proves one delivery; the key makes a second proof impossible.
CREATE TABLE receipts (
    run_id       TEXT   NOT NULL,
    destination  TEXT   NOT NULL,
    attempt      BIGINT NOT NULL,
    rows         BIGINT NOT NULL,
    started_ms   BIGINT NOT NULL,
    ended_ms     BIGINT NOT NULL,
    receipt_json TEXT   NOT NULL,
    PRIMARY KEY (run_id, destination),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

-- Batches that were begun, and those that the receiver acknowledged, which are never sent again. Other bytes (another
-- digest) have other batches.
CREATE TABLE batches (
    run_id      TEXT   NOT NULL,
    destination TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    sha256      TEXT   NOT NULL,
    -- The rows of a request that a pipeline defines; 0 where no rows are counted.
    first_row   BIGINT NOT NULL,
    row_count   BIGINT NOT NULL,
    -- NULL while it may have been taken or not.
    acked_ms    BIGINT,
    -- A person wants it sent, although it may have been taken.
    resend      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, destination, number),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

-- Rows that were sent and not accepted; the reason is the receiver's.
CREATE TABLE open_rows (
    run_id      TEXT   NOT NULL,
    destination TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    -- refused, unanswered
    outcome     TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    -- 0; 1 a person wants it sent again, 2 the request that does so was begun.
    resend      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, destination, number),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

-- One row for each delivery whose reader picks it up; it comes with the receipt.
CREATE TABLE pickups (
    run_id       TEXT   NOT NULL,
    destination  TEXT   NOT NULL,
    -- How it is detected: moved, ack_file
    kind         TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    -- The receipt's path. A later delivery to the same path supersedes this one.
    path         TEXT   NOT NULL,
    -- The reader's deadline; NULL where there is none.
    due_ms       BIGINT,
    -- When the worker polls next; NULL where it polls no more.
    next_poll_ms BIGINT,
    -- When it came to its state, pending excepted.
    at_ms        BIGINT,
    -- How that is known, or why polling failed.
    reason       TEXT,
    PRIMARY KEY (run_id, destination),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

CREATE INDEX pickups_by_next_poll ON pickups (next_poll_ms) WHERE next_poll_ms IS NOT NULL;
CREATE INDEX pickups_by_path ON pickups (destination, path);
CREATE INDEX pickups_by_state ON pickups (state, at_ms);

-- One row for each pipeline that a worker has seen or that has runs.
CREATE TABLE pipelines (
    name            TEXT   NOT NULL PRIMARY KEY,
    -- The cron expression and zone that the cursor belongs to; NULL while the pipeline has none, or no file.
    schedule        TEXT,
    -- Every slot up to this moment is in the ledger.
    cursor_ms       BIGINT NOT NULL,
    -- The last valid text of its file and its SHA-256; NULL while there was none, or no file.
    valid_text      TEXT,
    valid_sha256    TEXT,
    -- What is wrong with its file.
    problem         TEXT,
    -- Why the last valid text cannot be used either; NULL while the worker continues with it.
    stopped_reason  TEXT,
    -- Since when the worker continues with the last valid text, or with nothing.
    problem_ms      BIGINT,
    -- Since when the file can be used again.
    valid_ms        BIGINT,
    -- Its slots wait while an earlier slot's run is held.
    waits_while_held BIGINT NOT NULL DEFAULT 0,
    -- Set while a person has paused it.
    paused_ms       BIGINT,
    paused_by       TEXT,
    paused_reason   TEXT,
    -- Runs of slots up to this moment were pruned: whether the missing ones were delivered is not known.
    pruned_until_ms BIGINT
);

-- At most one row: the worker that runs, or ran last.
CREATE TABLE worker (
    id         BIGINT NOT NULL PRIMARY KEY,
    version    TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms    BIGINT NOT NULL,
    stopped_ms BIGINT
);

-- Destinations that answered that they are gone for good (HTTP 410).
CREATE TABLE gone (
    destination TEXT   NOT NULL PRIMARY KEY,
    since_ms    BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);

-- What `doctor` found at a destination; JSON of deliver::doctor::Probe. The newest are kept.
CREATE TABLE probes (
    destination TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    ok          BIGINT NOT NULL,
    probe_json  TEXT   NOT NULL,
    PRIMARY KEY (destination, at_ms)
);

-- Credentials that a platform refused: they are not sent again for a while.
CREATE TABLE refused_credentials (
    tenant     TEXT   NOT NULL PRIMARY KEY,
    refused_ms BIGINT NOT NULL,
    until_ms   BIGINT NOT NULL,
    -- 16 bits of a keyed digest: other credentials differ, and nothing is learnt about these.
    digest     TEXT   NOT NULL,
    reason     TEXT   NOT NULL
);

-- What a tenant's account could reach; JSON of extract::ScopeCheck. The newest are kept.
CREATE TABLE scope_checks (
    tenant       TEXT   NOT NULL,
    at_ms        BIGINT NOT NULL,
    scope_json   TEXT   NOT NULL,
    -- What changed since the check before; NULL where nothing did.
    changes_json TEXT,
    PRIMARY KEY (tenant, at_ms)
);

CREATE INDEX scope_checks_by_time ON scope_checks (at_ms);

-- Events that a person must hear of, each once: the key is the kind, the run and, for a delivery's, the destination; for a
-- pipeline's, the pipeline and the time.
CREATE TABLE alerts (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL,
    -- NULL for an event of the pipeline.
    run_id       TEXT,
    pipeline     TEXT   NOT NULL,
    slot         TEXT,
    slot_ms      BIGINT NOT NULL,
    destination  TEXT,
    reason       TEXT,
    -- When it happened.
    at_ms        BIGINT NOT NULL,
    -- Set when the pipeline delivered again; an alert without it is open.
    recovered_ms BIGINT
);

CREATE INDEX alerts_by_end ON alerts (recovered_ms);
CREATE INDEX alerts_by_run ON alerts (run_id);

-- One row for each channel that is to carry an alert.
CREATE TABLE notifications (
    alert_id TEXT   NOT NULL REFERENCES alerts (id),
    channel  TEXT   NOT NULL,
    state    TEXT   NOT NULL,
    attempts BIGINT NOT NULL,
    due_ms   BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    reason   TEXT,
    PRIMARY KEY (alert_id, channel)
);

CREATE INDEX notifications_by_due ON notifications (state, due_ms);
