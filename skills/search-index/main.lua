-- A full-text index that follows its tables.
--
-- Two things write it: the build, which walks through the rows that are there, a few at a time; and on_data_changed, which
-- follows every change. They need not know of each other: each writes the whole entry of a row, by key, and a row that changed
-- while the build was under way is written again by its change, which comes later. The last writer is always right.

local query_text = require("query_text")
local source_of = require("sources")

local config = glyphcase.config
local sources = source_of.read(config.sources)

local quote = source_of.quote
local INDEX = quote(config.table)
local ROWS = quote(config.table .. "_rows") -- which entry of the index is which row of which table
local STATE = quote(config.table .. "_state") -- how far the build is
local MADE_OF = json.encode(config) -- an index made of anything else is not this one

-- How long one step of the build may take, in seconds, and after how many rows it looks at the clock. Others who write to the file wait that long.
local STEP_SECONDS = 0.004
local STEP_ROWS = 50

---------------------------------------------------------------------------------------------------- entries

local function put(source, key, row)
  local entry = glyphcase.execute(
    "INSERT INTO " .. ROWS .. "(source, key) VALUES (?, ?) ON CONFLICT DO UPDATE SET key = excluded.key RETURNING id",
    source.name, key
  )
  glyphcase.execute("INSERT OR REPLACE INTO " .. INDEX .. "(rowid, text) VALUES (?, ?)", entry.rows[1].id, source.text(row))
end

local function remove(source, key)
  local gone = glyphcase.execute("DELETE FROM " .. ROWS .. " WHERE source = ? AND key = ? RETURNING id", source.name, key)
  for _, entry in ipairs(gone.rows) do
    glyphcase.execute("DELETE FROM " .. INDEX .. " WHERE rowid = ?", entry.id)
  end
end

function on_data_changed(table_name, _, _, event)
  local source = sources[table_name:lower()]
  if not source then return end -- watched, but nothing of it is indexed
  local before = event.old_data and source.key(event.old_data)
  local after = event.new_data and source.key(event.new_data)
  if before ~= nil and before ~= after then remove(source, before) end
  if after ~= nil and (before ~= after or source.concerns(event.changed_columns)) then
    put(source, after, event.new_data)
  end
end

---------------------------------------------------------------------------------------------------- building

-- Indexes the next rows. Changing STATE is what calls the next step: each is a transaction of its own, and after a crash
-- the build goes on where it was.
local function build_step()
  local state = glyphcase.queryOne("SELECT source, after FROM " .. STATE .. " WHERE NOT done ORDER BY source LIMIT 1")
  if not state then return end
  local source = sources[state.source:lower()]
  local after = state.after and json.decode(state.after)
  local count, done, started = 0, false, os.clock()
  repeat
    local rows = source.read(after, STEP_ROWS)
    for _, row in ipairs(rows) do put(source, source.key(row), row) end
    count = count + #rows
    done = #rows < STEP_ROWS
    if not done then after = source.key_values(rows[#rows]) end
  until done or os.clock() - started > STEP_SECONDS
  glyphcase.execute(
    "UPDATE " .. STATE .. " SET after = ?, indexed = indexed + ?, done = ? WHERE source = ?",
    after and json.encode(after), count, done, state.source
  )
end

local function create_tables()
  glyphcase.execute("CREATE TABLE IF NOT EXISTS " .. STATE .. [[ (
    source TEXT PRIMARY KEY, after TEXT, indexed INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, made_of TEXT
  )]])
  -- The key column has no type: a key is stored as it comes, so that 7 and '7' stay two keys.
  glyphcase.execute(
    "CREATE TABLE IF NOT EXISTS " .. ROWS .. " (id INTEGER PRIMARY KEY, source TEXT NOT NULL, key NOT NULL, UNIQUE (source, key))"
  )
end

-- Makes the index anew: when it is not there, when the config has changed, or when somebody calls this.
function rebuild()
  glyphcase.execute("DROP TABLE IF EXISTS " .. INDEX)
  glyphcase.execute(
    string.format("CREATE VIRTUAL TABLE %s USING fts5(text, tokenize = '%s')", INDEX, (config.tokenize:gsub("'", "''")))
  )
  glyphcase.execute("DELETE FROM " .. ROWS)
  glyphcase.execute("DELETE FROM " .. STATE)
  for _, source in pairs(sources) do
    glyphcase.execute("INSERT INTO " .. STATE .. "(source, made_of) VALUES (?, ?)", source.name, MADE_OF)
  end
end

-- An index that is older than the installation (GlyphCase was detached from the file, and is back) has missed changes.
function on_install()
  create_tables()
  glyphcase.execute("DELETE FROM " .. STATE)
end

function on_activate()
  create_tables() -- the config may name another table since
  if glyphcase.queryScalar("SELECT made_of FROM " .. STATE .. " LIMIT 1") ~= MADE_OF then rebuild() end
  glyphcase.watch(config.table .. "_state", build_step)
  build_step()
end

---------------------------------------------------------------------------------------------------- asking

local function run(expression, limit)
  limit = math.max(1, math.min(math.tointeger(limit) or 20, 1000))
  local found = glyphcase.query(
    "SELECT r.source, r.key, snippet(" .. INDEX .. ", 0, '[', ']', '…', 12) AS snippet, rank FROM " .. INDEX .. " AS i JOIN " .. ROWS
      .. " AS r ON r.id = i.rowid WHERE " .. INDEX .. " MATCH ? ORDER BY rank LIMIT ?",
    expression, limit
  )
  local results = json.array()
  for _, hit in ipairs(found) do
    local source = sources[hit.source:lower()]
    results[#results + 1] = { table = hit.source, key = source.public_key(hit.key), snippet = hit.snippet, rank = hit.rank }
  end
  return results
end

-- Rows in which every word of the text occurs, best first. "quoted words" stand together, wor* is the beginning of a word.
-- A list of { table=, key=, snippet=, rank= }; the more negative the rank, the better.
function search(text, limit)
  local expression = query_text.expression(text)
  if not expression then return json.array() end
  return run(expression, limit)
end

-- The same with a query in FTS5's own language: 'title OR (a NEAR b)'.
function match(expression, limit)
  return run(expression, limit)
end

-- How far the index is: { ready=, entries= }. While it is being built, search finds what is indexed so far.
function status()
  return {
    ready = glyphcase.queryScalar("SELECT count(*) FROM " .. STATE .. " WHERE NOT done") == 0,
    entries = glyphcase.queryScalar("SELECT count(*) FROM " .. ROWS),
  }
end
