-- Which hour a value of a time column belongs to, and which values belong to an hour. Both must agree, or a result would be
-- computed from other rows than those that set it off.
--
-- An hour is written 2026-01-15 10:00. Numbers are Unix seconds or, from FIRST_MS on, Unix milliseconds, in UTC. A text counts by
-- the date and hour that it begins with, as they stand there. All other values belong to no hour.

local hours = {}

local FIRST_MS = 100000000000
-- The years 1000 to 9999, in seconds.
local FIRST, LAST = -30610224000, 253402300800

local names = { count = 0 }

-- From hours since 1970.
local function name_of(number)
  local name = names[number]
  if not name then
    if names.count > 1000 then names = { count = 0 } end
    name = os.date("!%Y-%m-%d %H:00", number * 3600)
    names[number], names.count = name, names.count + 1
  end
  return name
end

-- The hour of a value, or nil.
function hours.of(value)
  if type(value) == "number" then
    if value >= FIRST_MS then return value < LAST * 1000 and name_of(math.floor(value // 3600000)) or nil end
    return value >= FIRST and name_of(math.floor(value // 3600)) or nil
  end
  if type(value) ~= "string" then return nil end
  local date, rest = value:match("^(%d%d%d%d%-%d%d%-%d%d)(.*)")
  if not date then return nil end
  local hour = rest == "" and "00" or rest:match("^[ T](%d%d):")
  return hour and date .. " " .. hour .. ":00"
end

-- SQL that is true for the values of one hour: ranges, which an index on the column serves. A text must not be compared as a number.
function hours.condition(column)
  return (([[((# >= :from_s AND # < :to_s AND typeof(#) <> 'text') OR (# >= :from_ms AND # < :to_ms AND typeof(#) <> 'text')
    OR (# >= :from_text AND # < :to_text) OR (# >= :from_iso AND # < :to_iso) OR # = :date)]]):gsub("#", function() return column end))
end

-- For the condition. An hour that is none, such as that of the text 2026-02-31 10:00, is only found as a text.
function hours.params(hour)
  local date, clock = hour:sub(1, 10), hour:sub(12, 13)
  local params = {
    from_text = date .. " " .. clock .. ":", to_text = date .. " " .. clock .. ";",
    from_iso = date .. "T" .. clock .. ":", to_iso = date .. "T" .. clock .. ";",
    date = clock == "00" and date or json.null,
    from_s = json.null, to_s = json.null, from_ms = json.null, to_ms = json.null,
  }
  local start = glyphcase.queryScalar("SELECT unixepoch(?)", hour)
  if start and start >= FIRST and name_of(start // 3600) == hour then
    local stop = start + 3600
    params.from_s, params.to_s = math.min(start, FIRST_MS), math.min(stop, FIRST_MS)
    params.from_ms, params.to_ms = math.max(start * 1000, FIRST_MS), math.max(stop * 1000, FIRST_MS)
  end
  return params
end

-- The least value, in SQLite's order, that may belong to another hour than `value` and comes after it.
function hours.after(value)
  if type(value) == "string" then
    local hour = value:match("^%d%d%d%d%-%d%d%-%d%d[ T]%d%d:")
    return hour and hour:sub(1, -2) .. ";" or value .. "\0"
  end
  if value < FIRST then return FIRST end
  if value >= LAST * 1000 then return "" end -- texts come after numbers
  local unit = value >= FIRST_MS and 3600000 or 3600
  local next_hour = math.floor(value // unit + 1) * unit
  return unit == 3600 and math.min(next_hour, FIRST_MS) or next_hour
end

return hours
