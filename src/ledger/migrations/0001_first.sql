-- Times are milliseconds since the Unix epoch, UTC. Texts in *_json columns are JSON of the types in record.rs.
CREATE TABLE runs (
    id            TEXT   NOT NULL PRIMARY KEY,
    pipeline      TEXT   NOT NULL,
    slot_ms       BIGINT NOT NULL,
    slot          TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    reason        TEXT,
    released_by   TEXT,
    rejected_by   TEXT,
    plan_digest   TEXT   NOT NULL,
    ticket        TEXT,
    extract_json  TEXT,
    rows_json     TEXT,
    artifact_json TEXT,
    entered_ms    BIGINT NOT NULL,
    updated_ms    BIGINT NOT NULL,
    UNIQUE (pipeline, slot_ms)
);

CREATE INDEX runs_by_update ON runs (updated_ms);

CREATE TABLE deliveries (
    run_id      TEXT   NOT NULL REFERENCES runs (id),
    destination TEXT   NOT NULL,
    required    BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    reason      TEXT,
    attempts    BIGINT NOT NULL,
    failures    BIGINT NOT NULL,
    since_ms    BIGINT,
    due_ms      BIGINT,
    intent_json TEXT,
    PRIMARY KEY (run_id, destination)
);

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

CREATE TABLE events (
    run_id TEXT   NOT NULL REFERENCES runs (id),
    number BIGINT NOT NULL,
    at_ms  BIGINT NOT NULL,
    what   TEXT   NOT NULL,
    detail TEXT   NOT NULL,
    PRIMARY KEY (run_id, number)
);
