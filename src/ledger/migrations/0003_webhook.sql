-- Parts of a delivery that the receiver acknowledged: they are never sent again. The artifact's digest stands beside
-- them, for other bytes have other parts.
CREATE TABLE parts (
    run_id          TEXT   NOT NULL,
    destination     TEXT   NOT NULL,
    number          BIGINT NOT NULL,
    sha256          TEXT   NOT NULL,
    acknowledged_ms BIGINT NOT NULL,
    PRIMARY KEY (run_id, destination, number),
    FOREIGN KEY (run_id, destination) REFERENCES deliveries (run_id, destination)
);

-- Destinations that said that they are gone for good.
CREATE TABLE gone (
    destination TEXT   NOT NULL PRIMARY KEY,
    since_ms    BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);
