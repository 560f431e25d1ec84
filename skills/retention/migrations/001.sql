-- How many rows each rule removed on each day (UTC).
CREATE TABLE IF NOT EXISTS retention_log (
  day TEXT NOT NULL,
  rule TEXT NOT NULL,
  removed INTEGER NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (day, rule)
);

-- What the clock said at the last look, and from when on it is trusted, in Unix seconds.
CREATE TABLE IF NOT EXISTS retention_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  looked_at INTEGER NOT NULL,
  trusted_from INTEGER NOT NULL
);
