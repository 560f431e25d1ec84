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

-- Rows that one statement removes by their rowid. Each is looked for by itself when the key is another.
local TOGETHER = 100

local function read(entry)
  local table_name = quote(entry.table)
  -- With the table's name before it: a lone name in quotes that is no column would be a text.
  local column = table_name .. "." .. quote(entry.column)
  local keys, matches = {}, {}
  for index, name in ipairs(entry.key or { "_rowid_" }) do
    local key = table_name .. "." .. (entry.key and quote(name) or name)
    keys[index] = key .. " AS key" .. index
    matches[index] = key .. " = ?"
  end
  local expired = condition(column) .. (entry.where and " AND (" .. entry.where .. "\n)" or "")
  local rule = {
    text = string.format("%s.%s %s%s", entry.table, entry.column, entry.keep, entry.where and " " .. entry.where or ""),
    batch = entry.batch or 1000,
    find = string.format("SELECT %s FROM %s WHERE %s LIMIT :gc_limit", table.concat(keys, ", "), table_name, expired),
    count = string.format("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT :gc_limit)", table_name, expired),
  }
  local DELETE = "DELETE FROM " .. table_name .. " WHERE "
  local DELETE_ONE = DELETE .. table.concat(matches, " AND ")
  local DELETE_MANY = DELETE .. table_name .. "._rowid_ IN (" .. ("?, "):rep(TOGETHER - 1) .. "?)"

  local function values_of(row)
    local values = {}
    for index in ipairs(keys) do values[index] = row["key" .. index] end
    return values
  end

  -- Removes rows that `find` has found; returns how many.
  function rule.remove(rows)
    local count, first = 0, 1
    while not entry.key and #rows - first + 1 >= TOGETHER do
      local values = {}
      for index = first, first + TOGETHER - 1 do values[#values + 1] = rows[index].key1 end
      count = count + glyphcase.execute(DELETE_MANY, values).changes
      first = first + TOGETHER
    end
    for index = first, #rows do count = count + glyphcase.execute(DELETE_ONE, values_of(rows[index])).changes end
    return count
  end

  -- Fails when the table or a column is not there, or may not be read and written.
  function rule.probe()
    glyphcase.query(rule.find, rule.params(0, 0))
    local nothing = {}
    for index in ipairs(keys) do nothing["key" .. index] = json.null end
    rule.remove({ nothing })
  end

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
