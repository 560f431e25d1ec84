-- How many rows each rule removed on each day (UTC).
CREATE TABLE IF NOT EXISTS retention_log (
  day TEXT NOT NULL,
  rule TEXT NOT NULL,
  removed INTEGER NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (day, rule)
);

-- What the clock said when it was last looked at, in Unix seconds.
CREATE TABLE IF NOT EXISTS retention_state (id INTEGER PRIMARY KEY CHECK (id = 1), looked_at INTEGER NOT NULL);
