-- Hourly and daily results that follow their tables.
--
-- A change only marks the hours it touches. A moment later each marked hour is computed afresh from the rows as they are then,
-- however many changes it had, and its day from its hours. So nothing can add up wrongly: a change that is handled late, a
-- least value that is deleted, a row that moves to another hour or group all end at the same right numbers.

local hours = require("hours")
local rollup_of = require("rollup")

-- How long one step may take, in seconds. Others who write to the file wait that long.
local STEP_SECONDS = 0.02
-- How long after a change hours are computed, so that many changes have it done once; and the pause between steps.
local SOON, PAUSE = "50ms", "5ms"
-- An hour that takes so long has most likely been looked for in the whole table.
local SLOW_SECONDS = 0.25

local rollups, by_table = {}, {}
for _, entry in ipairs(glyphcase.config.rollups) do
  if rollups[entry.name] then error('config.rollups names "' .. entry.name .. '" twice', 0) end
  local one = rollup_of.make(entry)
  rollups[one.name] = one
  local name = one.table:lower()
  by_table[name] = by_table[name] or {}
  table.insert(by_table[name], one)
end

---------------------------------------------------------------------------------------------------- following

-- SQL does not mind how a column's name is written, a row in Lua does.
local function value_of(row, column)
  if row == nil or row[column] ~= nil then return row and row[column] end
  for name, value in pairs(row) do
    if name:lower() == column:lower() then return value end
  end
end

local function mark(one, hour)
  glyphcase.execute("INSERT OR IGNORE INTO rollups_dirty(name, hour) VALUES (?, ?)", one.name, hour)
end

-- The job is kept in the file: whatever ends the host, the next one goes on.
local function plan(delay)
  scheduler.after(delay, "step", { name = "step" })
end

-- What is marked already by changes of the same transaction, which are handled in one. When that is undone and comes again, it
-- begins with a change that was seen.
local marked = { seq = 0 }

local function mark_once(one, hour)
  marked[one] = marked[one] or {}
  if marked[one][hour] then return end
  marked[one][hour] = true
  mark(one, hour)
  if not marked.is_planned then plan(SOON) end
  marked.is_planned = true
end

function on_data_changed(table_name, _, _, event)
  if marked.transaction ~= event.transaction_id or event.seq <= marked.seq then marked = { transaction = event.transaction_id } end
  marked.seq = event.seq
  for _, one in ipairs(by_table[table_name:lower()] or {}) do
    if one.concerns(event.changed_columns) then
      local before = hours.of(value_of(event.old_data, one.time))
      local after = hours.of(value_of(event.new_data, one.time))
      if after then mark_once(one, after) end
      if before and before ~= after then mark_once(one, before) end
    end
  end
end

---------------------------------------------------------------------------------------------------- computing

local warned = {}

-- One hour that cannot be computed (a sum beyond 64 bits) must not keep the others from it.
local function refresh(one, hour)
  local began = os.clock()
  local ok, problem = pcall(glyphcase.transaction, function() one.refresh_hour(hour) end)
  if not ok then log.error(string.format("%s, %s: %s", one.name, hour, tostring(problem))) end
  local took = os.clock() - began
  if took > SLOW_SECONDS and not warned[one.name] then
    warned[one.name] = true
    log.warn(string.format("%s: one hour took %.1f s; the table %s needs an index on %s", one.name, took, one.table, one.time))
  end
end

-- Computes marked hours until the time is over, then their days.
local function refresh_marked(ends)
  local days = {}
  repeat
    local marked = glyphcase.queryOne("SELECT name, hour FROM rollups_dirty ORDER BY hour DESC LIMIT 1")
    if not marked then break end
    local one = rollups[marked.name]
    if one then
      refresh(one, marked.hour)
      days[one] = days[one] or {}
      days[one][marked.hour:sub(1, 10)] = true
    end
    glyphcase.execute("DELETE FROM rollups_dirty WHERE name = ? AND hour = ?", marked.name, marked.hour)
  until os.clock() > ends
  for one, dates in pairs(days) do
    for date in pairs(dates) do one.refresh_day(date) end
  end
end

-- Marks the hours of rows that were there before the rollup, as many as are computed in a step.
local function look_back(ends)
  local state = glyphcase.queryOne("SELECT name, after FROM rollups_state WHERE NOT done ORDER BY name LIMIT 1")
  if not state then return end
  local one, after, count = rollups[state.name], state.after, 0
  repeat
    local value = one.next_time(after)
    local hour = hours.of(value)
    if hour then mark(one, hour) end
    if value ~= nil then after = hours.after(value) end
    count = count + 1
    if value == nil then
      glyphcase.execute("UPDATE rollups_state SET after = NULL, done = 1 WHERE name = ?", one.name)
      return
    end
  until count >= 50 or os.clock() > ends
  glyphcase.execute("UPDATE rollups_state SET after = ? WHERE name = ?", after, one.name)
end

-- Whether all results are as the rows are: { ready=, waiting= }, waiting being the number of hours to compute.
function status()
  local waiting = glyphcase.queryScalar("SELECT count(*) FROM rollups_dirty")
  local is_done = glyphcase.queryScalar("SELECT count(*) FROM rollups_state WHERE NOT done") == 0
  return { ready = is_done and waiting == 0, waiting = waiting }
end

-- The job: as much as the time allows. Each step is a transaction of its own.
function step()
  local ends = os.clock() + STEP_SECONDS
  refresh_marked(ends)
  if os.clock() < ends then look_back(ends) end
  if not status().ready then plan(PAUSE) end
end

---------------------------------------------------------------------------------------------------- starting

-- Computes a rollup anew, or all of them.
function rebuild(name)
  if name ~= nil and not rollups[name] then error("rebuild(name): there is no rollup " .. tostring(name), 2) end
  for _, one in pairs(rollups) do
    if name == nil or one.name == name then
      one.create()
      glyphcase.execute("DELETE FROM rollups_dirty WHERE name = ?", one.name)
      glyphcase.execute("INSERT OR REPLACE INTO rollups_state(name, made_of) VALUES (?, ?)", one.name, one.made_of)
    end
  end
  plan(PAUSE)
end

-- What was kept before the installation (GlyphCase was detached from the file, and is back) has missed changes.
function on_install()
  glyphcase.execute("DELETE FROM rollups_state")
  glyphcase.execute("DELETE FROM rollups_dirty")
end

-- A rollup that cannot be computed at all is left out, with a line in the log.
local function leave_out(one, problem)
  log.error(string.format("%s: %s", one.name, tostring(problem)))
  rollups[one.name] = nil
  for index, other in ipairs(by_table[one.table:lower()]) do
    if other == one then table.remove(by_table[one.table:lower()], index) break end
  end
end

local function prepare(one)
  one.probe()
  local made_of = glyphcase.queryScalar("SELECT made_of FROM rollups_state WHERE name = ?", one.name)
  if made_of ~= one.made_of then rebuild(one.name) end
end

function on_activate()
  if next(rollups) == nil then log.info("no rollups are configured; README.md shows how") end
  for _, entry in ipairs(glyphcase.config.rollups) do
    local one = rollups[entry.name]
    local ok, problem = pcall(glyphcase.transaction, function() prepare(one) end)
    if not ok then leave_out(one, problem) end
  end
  for _, state in ipairs(glyphcase.query("SELECT name FROM rollups_state")) do
    if not rollups[state.name] then
      glyphcase.execute("DELETE FROM rollups_state WHERE name = ?", state.name)
      glyphcase.execute("DELETE FROM rollups_dirty WHERE name = ?", state.name)
    end
  end
  -- Without a name: a job that is done would stay done when it is registered again at a start.
  if not status().ready then scheduler.after(PAUSE, step) end
end
