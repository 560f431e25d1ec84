-- Removes rows that have become too old.
--
-- A run removes for a moment only, in statements that are bounded, and plans the next one soon when more is left: nobody who
-- writes to the file waits long. A clock that has just leapt is not trusted: for an interval nothing is removed.

local rules_of = require("rules")

local config = glyphcase.config
local rules = rules_of.read(config.rules)

-- How long one run may take, in seconds, and how many rows it removes at once to begin with: more when that is quick.
local RUN_SECONDS = 0.05
local FIRST_ROWS = 100
local PAUSE = "250ms"
-- A statement that takes so long has most likely read the whole table.
local SLOW_SECONDS = 0.3

-- Between two looks the clock advances by the interval. More than this is a leap, or a host that was away.
local INTERVAL = rules_of.seconds(config.every)
local PATIENCE = math.max(2 * INTERVAL, 86400)
-- How long it is not trusted then. Less than an interval, because no run is quite on time.
local DISTRUST = math.floor(0.9 * INTERVAL)
local LOG_DAYS = 400

-- Removed and not logged yet, by rule.
local removed = {}
local warned = {}

local function write_down(rule, count, now)
  glyphcase.execute(
    [[INSERT INTO retention_log(day, rule, removed, last_at) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET removed = removed + excluded.removed, last_at = excluded.last_at]],
    os.date("!%Y-%m-%d", now), rule.text, count, os.date("!%Y-%m-%d %H:%M:%S", now)
  )
  removed[rule] = (removed[rule] or 0) + count
end

local function advise_index(rule, seconds)
  if seconds < SLOW_SECONDS or warned[rule] then return end
  warned[rule] = true
  log.warn(string.format("%s: finding old rows took %.1f s; the table needs an index on that column", rule.text, seconds))
end

-- How many rows of a rule are removed at once; found out by and by.
local sizes = {}

-- Returns whether nothing is left to remove.
local function apply(rule, now, ends)
  local count, is_done = 0, false
  repeat
    local size = math.min(sizes[rule] or FIRST_ROWS, rule.batch)
    local began = os.clock()
    local rows = glyphcase.query(rule.find, rule.params(now, size))
    local found = os.clock()
    if #rows < size then advise_index(rule, found - began) end
    local gone = rule.remove(rows)
    count = count + gone
    is_done = #rows < size or gone == 0
    local is_quick = os.clock() - found < RUN_SECONDS / 4
    sizes[rule] = is_quick and size * 2 or math.max(size // 2, 1)
  until is_done or os.clock() > ends
  if count > 0 then write_down(rule, count, now) end
  return is_done
end

local function try(rule, now, ends)
  local ok, answer = pcall(glyphcase.transaction, function() return apply(rule, now, ends) end)
  if not ok then
    log.error(rule.text .. ": " .. tostring(answer))
    return true -- until the next regular run; the other rules go on
  end
  if answer and removed[rule] then
    log.info(string.format("%s: removed %d rows", rule.text, removed[rule]))
    removed[rule] = nil
  end
  return answer
end

-- Whether the clock can be trusted; remembers what it says.
local function has_settled(now)
  local state = glyphcase.queryOne("SELECT looked_at, trusted_from FROM retention_state")
  local moved = state and now - state.looked_at
  local has_leapt = not state or math.abs(moved) > PATIENCE
  local trusted_from = has_leapt and now + DISTRUST or state.trusted_from
  glyphcase.execute("INSERT OR REPLACE INTO retention_state(id, looked_at, trusted_from) VALUES (1, ?, ?)", now, trusted_from)
  if has_leapt then
    local why = state and string.format("the clock has moved by %.1f days since the last look", moved / 86400) or "first look"
    log.info(why .. "; nothing is removed before the next one, in " .. config.every)
  end
  return now >= trusted_from
end

-- The job, regular and continued.
function sweep()
  local now = os.time()
  if not has_settled(now) then return end
  local ends = os.clock() + RUN_SECONDS
  for _, rule in ipairs(rules) do
    if not try(rule, now, ends) then
      scheduler.after(PAUSE, "sweep", { name = "continue" })
      return
    end
  end
  glyphcase.execute("DELETE FROM retention_log WHERE day < ?", os.date("!%Y-%m-%d", now - LOG_DAYS * 86400))
end

-- What would be removed now: a list of { rule=, expired= }, counted up to 100,000 each.
function preview()
  local list = json.array()
  for index, rule in ipairs(rules) do
    list[index] = { rule = rule.text, expired = glyphcase.queryScalar(rule.count, rule.params(os.time(), 100000)) }
  end
  return list
end

-- After GlyphCase was detached from the file, what is remembered of the clock is from another time.
function on_install()
  glyphcase.execute("DELETE FROM retention_state")
end

function on_activate()
  if #rules == 0 then
    scheduler.stop("sweep")
    scheduler.stop("continue")
    log.info("no rules are configured, nothing is removed; README.md shows how")
    return
  end
  for _, rule in ipairs(rules) do
    -- Judges tables, columns and permissions now and not in an hour.
    local ok, problem = pcall(rule.probe)
    if not ok then log.warn(rule.text .. ": " .. tostring(problem)) end
  end
  scheduler.every(config.every, "sweep", { name = "sweep" })
end
