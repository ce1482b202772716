-- What `doctor` found at a destination; JSON of deliver::doctor::Probe. The newest are kept.
CREATE TABLE probes (
    destination TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    ok          BIGINT NOT NULL,
    probe_json  TEXT   NOT NULL,
    PRIMARY KEY (destination, at_ms)
);
