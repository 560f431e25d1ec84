-- Changes to be posted, in order of id; `delivery` names the request that a change goes, or went, into.
CREATE TABLE IF NOT EXISTS webhooks_queue (
  id INTEGER PRIMARY KEY,
  endpoint TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'dead')),
  change_id TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  delivery TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT
);
CREATE INDEX IF NOT EXISTS webhooks_queue_next ON webhooks_queue(endpoint, state, id);

-- Where each endpoint stands. `in_flight` is the id of the request that is under way; times are Unix seconds.
CREATE TABLE IF NOT EXISTS webhooks_endpoints (
  name TEXT PRIMARY KEY,
  state TEXT NOT NULL DEFAULT 'on' CHECK (state IN ('on', 'disabled')),
  delivered INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL DEFAULT 0,
  in_flight TEXT,
  sent_at INTEGER,
  last_status INTEGER,
  last_error TEXT,
  last_accepted_at INTEGER
);
