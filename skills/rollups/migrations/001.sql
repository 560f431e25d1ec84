-- Hours whose results are to be computed anew.
CREATE TABLE IF NOT EXISTS rollups_dirty (name TEXT NOT NULL, hour TEXT NOT NULL, PRIMARY KEY (name, hour));

-- How far the first computation of each rollup is, and what it is made of.
CREATE TABLE IF NOT EXISTS rollups_state (name TEXT PRIMARY KEY, made_of TEXT NOT NULL, after, done INTEGER NOT NULL DEFAULT 0);
