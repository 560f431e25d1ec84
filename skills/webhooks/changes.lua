-- Which changes an endpoint is told of, and the text it gets.

local changes = {}

local function has(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

-- SQLite keeps true and false as 1 and 0.
local function same(actual, wanted)
  if type(wanted) == "boolean" then wanted = wanted and 1 or 0 end
  return actual == wanted
end

local function fits_filter(row, filter)
  for column, wanted in pairs(filter) do
    local fits = false
    for _, one in ipairs(type(wanted) == "table" and wanted or { wanted }) do fits = fits or same(row[column], one) end
    if not fits then return false end
  end
  return true
end

local function fits_changed(event, wanted)
  if wanted == nil or event.operation ~= "UPDATE" then return true end
  for _, column in ipairs(event.changed_columns or {}) do
    if has(wanted, column) then return true end
  end
  return false
end

-- The entry of an endpoint's `changes` that an event fits, or nil.
function changes.fitting(entries, event)
  for _, entry in ipairs(entries) do
    local fits = entry.table:lower() == event.table_name:lower()
      and (entry.operations == nil or has(entry.operations, event.operation))
      and fits_changed(event, entry.changed)
      and fits_filter(event.new_data or event.old_data, entry.filter or {})
    if fits then return entry end
  end
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return string.format("%02X", byte:byte()) end))
end

-- What JSON has no word for: bytes, and numbers without end.
local function portable(value, is_blob)
  if type(value) == "string" and (is_blob or not utf8.len(value)) then return { ["$blob"] = hex(value) } end
  if value == math.huge then return "Infinity" end
  if value == -math.huge then return "-Infinity" end
  return value
end

-- A column that is NULL is left out, unless it was asked for or has just become NULL.
local function image(row, blobs, columns, changed_columns)
  if row == nil then return nil end
  local copy = {}
  for _, name in ipairs(changed_columns or {}) do copy[name] = json.null end
  for _, name in ipairs(columns or {}) do copy[name] = json.null end
  for name, value in pairs(row) do copy[name] = portable(value, has(blobs or {}, name)) end
  if columns then
    for name in pairs(copy) do
      if not has(columns, name) then copy[name] = nil end
    end
  end
  return copy
end

local function listed(names, columns)
  if names == nil then return nil end
  local list = json.array()
  for _, name in ipairs(names) do
    if not columns or has(columns, name) then list[#list + 1] = name end
  end
  return list
end

-- One change as JSON.
function changes.text(id, event, columns)
  return json.encode({
    id = id,
    table = event.table_name,
    operation = event.operation,
    row_id = event.row_id,
    at = os.date("!%Y-%m-%dT%H:%M:%SZ", event.timestamp),
    source = event.source,
    transaction_id = event.transaction_id,
    changed = listed(event.changed_columns, columns),
    old = image(event.old_data, event.old_blobs, columns, event.changed_columns),
    new = image(event.new_data, event.new_blobs, columns, event.changed_columns),
  })
end

return changes
