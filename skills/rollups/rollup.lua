-- One rollup of the config: the SQL that computes the results of an hour from the rows, and those of a day from its hours.
--
-- A result is written when it differs from what is there, and taken out when no row is left, so that whoever watches the
-- results sees changes and no noise.

local hours = require("hours")

local function quote(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

local function map(list, fn)
  local mapped = {}
  for index, value in ipairs(list) do mapped[index] = fn(value) end
  return mapped
end

local function join(...)
  local all = {}
  for _, list in ipairs({ ... }) do table.move(list, 1, #list, #all + 1, all) end
  return table.concat(all, ", ")
end

-- What is stored for each measure: its name, how an hour is computed from rows, and a day from hours. An average needs the sum
-- and the number of the values beside it.
local function measures_of(entry)
  local list, seen = {}, {}
  local function add(kind, column, of_rows, of_hours)
    local name = quote(kind .. "_" .. column)
    if not seen[name] then
      seen[name] = true
      list[#list + 1] = { name = name, of_rows = of_rows, of_hours = of_hours:gsub("#", function() return name end) }
    end
  end
  local source = quote(entry.table) .. "."
  local function sum(column) add("sum", column, "sum(" .. source .. quote(column) .. ")", "sum(#)") end
  local function count(column) add("count", column, "count(" .. source .. quote(column) .. ")", "sum(#)") end
  list[1] = { name = '"rows"', of_rows = "count(*)", of_hours = 'sum("rows")' }
  for _, column in ipairs(entry.count) do count(column) end
  for _, column in ipairs(entry.sum) do sum(column) end
  for _, column in ipairs(entry.avg) do
    sum(column)
    count(column)
    local average = "1.0 * sum(" .. quote("sum_" .. column) .. ") / nullif(sum(" .. quote("count_" .. column) .. "), 0)"
    add("avg", column, "avg(" .. source .. quote(column) .. ")", average)
  end
  for _, column in ipairs(entry.min) do add("min", column, "min(" .. source .. quote(column) .. ")", "min(#)") end
  for _, column in ipairs(entry.max) do add("max", column, "max(" .. source .. quote(column) .. ")", "max(#)") end
  return list
end

-- NULL is a value of its own, which neither a unique index nor IN would have it.
local function distinct(columns)
  local parts = {}
  for _, column in ipairs(columns) do
    parts[#parts + 1] = column .. " IS NULL"
    parts[#parts + 1] = "ifnull(" .. column .. ", 0)"
  end
  return parts
end

-- Two statements that make the results of one bucket equal to what `from` (with its condition) says.
local function statements(target, period, from, groups, values, names)
  local selected = map(groups, function(group) return from.prefix .. group end)
  local grouped = map(selected, function(column) return column .. " COLLATE BINARY" end)
  local upsert = "INSERT INTO " .. target .. "(" .. join({ "period", "bucket" }, groups, names) .. ") SELECT "
    .. join({ "'" .. period .. "'", ":bucket" }, selected, values) .. " FROM " .. from.table .. " WHERE " .. from.where
    .. (#groups > 0 and " GROUP BY " .. join(grouped) or "") .. " HAVING count(*) > 0 ON CONFLICT DO UPDATE SET "
    .. join(map(names, function(name) return name .. " = excluded." .. name end)) .. " WHERE "
    .. table.concat(map(names, function(name) return name .. " IS NOT excluded." .. name end), " OR ")
  local remaining = #groups > 0
      and "(" .. join(distinct(groups)) .. ") NOT IN (SELECT " .. join(distinct(selected)) .. " FROM " .. from.table .. " WHERE " .. from.where .. ")"
    or "NOT EXISTS (SELECT 1 FROM " .. from.table .. " WHERE " .. from.where .. ")"
  return { "DELETE FROM " .. target .. " WHERE period = '" .. period .. "' AND bucket = :bucket AND " .. remaining, upsert }
end

local rollup = {}

function rollup.make(entry)
  for _, list in ipairs({ "group", "count", "sum", "avg", "min", "max" }) do entry[list] = entry[list] or {} end
  local target, source = quote("rollup_" .. entry.name), quote(entry.table)
  local time = source .. "." .. quote(entry.time)
  local groups, measures = map(entry.group, quote), measures_of(entry)
  local names = map(measures, function(measure) return measure.name end)
  local from_rows = { table = source, prefix = source .. ".", where = hours.condition(time) }
  local from_hours = { table = target, prefix = "", where = "period = 'hour' AND bucket >= :first AND bucket < :last" }
  local hour = statements(target, "hour", from_rows, groups, map(measures, function(measure) return measure.of_rows end), names)
  local day = statements(target, "day", from_hours, groups, map(measures, function(measure) return measure.of_hours end), names)

  local concerned = {}
  for _, columns in ipairs({ { entry.time }, entry.group, entry.count, entry.sum, entry.avg, entry.min, entry.max }) do
    for _, column in ipairs(columns) do concerned[column:lower()] = true end
  end
  for _, group in ipairs(entry.group) do
    if group == "id" or group == "period" or group == "bucket" or group == "rows" then
      error('config.rollups: "' .. entry.name .. '" cannot be grouped by a column called ' .. group, 0)
    end
  end

  local self = { name = entry.name, table = entry.table, time = entry.time, made_of = json.encode(entry) }

  -- Fails when a table or column is not there, or may not be read.
  function self.probe()
    glyphcase.query(
      "SELECT " .. join(map(measures, function(measure) return measure.of_rows end)) .. " FROM " .. source .. " WHERE "
        .. hours.condition(time) .. (#groups > 0 and " GROUP BY " .. join(map(groups, function(group) return source .. "." .. group end)) or "")
        .. " LIMIT 0",
      hours.params("1970-01-01 00:00")
    )
  end

  function self.create()
    glyphcase.execute("DROP TABLE IF EXISTS " .. target)
    glyphcase.execute("CREATE TABLE " .. target .. " (id INTEGER PRIMARY KEY, period TEXT NOT NULL, bucket TEXT NOT NULL, "
      .. join(groups, names) .. ")")
    glyphcase.execute("CREATE UNIQUE INDEX " .. quote("rollup_" .. entry.name .. "_key") .. " ON " .. target .. "("
      .. join({ "period", "bucket" }, distinct(groups)) .. ")")
  end

  -- Makes the results of an hour equal to the rows.
  function self.refresh_hour(name)
    local params = hours.params(name)
    params.bucket = name
    for _, sql in ipairs(hour) do glyphcase.execute(sql, params) end
  end

  -- Makes those of a day equal to its hours.
  function self.refresh_day(date)
    for _, sql in ipairs(day) do glyphcase.execute(sql, { bucket = date, first = date .. " ", last = date .. "!" }) end
  end

  -- Whether a change of these columns changes a result. No list: a row came or went.
  function self.concerns(changed_columns)
    if changed_columns == nil then return true end
    for _, name in ipairs(changed_columns) do
      if concerned[name:lower()] then return true end
    end
    return false
  end

  local NEXT = "SELECT " .. time .. " FROM " .. source .. " WHERE %s AND typeof(" .. time .. ") <> 'blob' ORDER BY " .. time .. " LIMIT 1"
  local FIRST_TIME, LATER = NEXT:format(time .. " IS NOT NULL"), NEXT:format(time .. " >= ?")

  -- The first value of the time column from there on, in its order.
  function self.next_time(after)
    if after == nil then return glyphcase.queryScalar(FIRST_TIME) end
    return glyphcase.queryScalar(LATER, after)
  end

  return self
end

return rollup
