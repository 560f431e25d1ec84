-- Reads the rules of the config, and writes them as SQL.
--
-- What is not surely an old point in time stays: NULL, 0, negative numbers, BLOBs, and texts that do not begin with a date.

local rules = {}

local UNITS = { s = 1, m = 60, h = 3600, d = 86400, w = 7 * 86400, y = 365 * 86400 }

-- Numbers below it are seconds (until the year 5138), others milliseconds (from 1973 on).
local FIRST_MS = 100000000000

local function quote(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

-- Seconds of a text such as 30d.
function rules.seconds(text)
  local number, unit = text:match("^(%d+%.?%d*)%s*([smhdwy])$")
  local seconds = number and tonumber(number) * UNITS[unit]
  if not seconds or seconds <= 0 then error('"' .. text .. '" is no duration; write a number and a unit: 12h, 30d, 6w, 1y', 0) end
  return seconds
end

-- Each alternative is a range of the bare column, which an index on it serves. SQLite sorts numbers before texts, so each
-- range needs a bound on both sides. Text is compared twice: by its letters, a day too far because of time zones, and exactly.
local function condition(column)
  local is_number = "typeof(" .. column .. ") IN ('integer', 'real')"
  return string.format(
    [[((%s > 0 AND %s < :gc_seconds AND %s)
      OR (%s >= %d AND %s < :gc_ms AND %s)
      OR (%s >= '0000-' AND %s < :gc_text AND typeof(%s) = 'text'
          AND %s GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' AND unixepoch(%s) < :gc_seconds))]],
    column, column, is_number, column, FIRST_MS, column, is_number, column, column, column, column, column
  )
end

local function read(entry)
  local table_name = quote(entry.table)
  -- With the table's name before it: a lone name in quotes that is no column would be a text.
  local column = table_name .. "." .. quote(entry.column)
  local keys = {}
  for index, name in ipairs(entry.key or { "_rowid_" }) do
    keys[index] = table_name .. "." .. (entry.key and quote(name) or name)
  end
  local key = table.concat(keys, ", ")
  local expired = condition(column) .. (entry.where and " AND (" .. entry.where .. "\n)" or "")
  local rule = {
    text = string.format("%s.%s %s%s", entry.table, entry.column, entry.keep, entry.where and " " .. entry.where or ""),
    batch = entry.batch,
    delete = string.format(
      "DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s WHERE %s LIMIT :gc_limit)", table_name, key, key, table_name, expired
    ),
    count = string.format("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT :gc_limit)", table_name, expired),
  }
  local keep = rules.seconds(entry.keep)

  function rule.params(now, limit)
    local oldest = math.floor(now - keep)
    return {
      gc_seconds = oldest,
      gc_ms = oldest * 1000,
      gc_text = os.date("!%Y-%m-%d", oldest + 2 * 86400),
      gc_limit = limit,
    }
  end

  return rule
end

function rules.read(entries)
  local list = {}
  for index, entry in ipairs(entries) do
    local ok, rule = pcall(read, entry)
    if not ok then error("config.rules[" .. index .. "]: " .. tostring(rule), 0) end
    list[index] = rule
  end
  return list
end

return rules
