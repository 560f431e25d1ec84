-- What the config calls a source: a table, the columns whose text counts, and the columns that identify a row.

local sources = {}

function sources.quote(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

local function quoted_list(names, pattern)
  local parts = {}
  for index, name in ipairs(names) do
    parts[index] = (pattern:gsub("%%", function() return sources.quote(name) end))
  end
  return table.concat(parts, pattern:find("AND", 1, true) and "" or ", ")
end

local function make(entry)
  local key_columns = type(entry.key) == "table" and entry.key or { entry.key }
  local composite = #key_columns > 1
  local source = { name = entry.table }

  local wanted = {}
  for _, name in ipairs(entry.columns) do wanted[name] = true end

  -- The values of the key columns, or nil when one of them is NULL: such a row cannot be told from others.
  function source.key_values(row)
    local values = {}
    for index, name in ipairs(key_columns) do
      if row[name] == nil then return nil end
      values[index] = row[name]
    end
    return values
  end

  -- The key as it is stored: the value itself, or several as a JSON list.
  function source.key(row)
    local values = source.key_values(row)
    if values == nil then return nil end
    return composite and json.encode(values) or values[1]
  end

  function source.public_key(key)
    return composite and json.decode(key) or key
  end

  -- The text that is indexed: the columns under one another.
  function source.text(row)
    local parts = {}
    for _, name in ipairs(entry.columns) do
      local value = row[name]
      -- Bytes that are no text cannot be searched.
      if value ~= nil and utf8.len(tostring(value)) then parts[#parts + 1] = tostring(value) end
    end
    return table.concat(parts, "\n")
  end

  -- Whether a change of these columns changes the text. No list: everything is new.
  function source.concerns(changed_columns)
    if changed_columns == nil then return true end
    for _, name in ipairs(changed_columns) do
      if wanted[name] then return true end
    end
    return false
  end

  local keys = quoted_list(key_columns, "%")
  local filled = quoted_list(key_columns, " AND typeof(%) NOT IN ('null', 'blob')")
  local columns = quoted_list(entry.columns, "%")
  local places = ("?, "):rep(#key_columns - 1) .. "?"
  local READ = "SELECT " .. keys .. ", " .. columns .. " FROM " .. sources.quote(entry.table) .. " WHERE %s" .. filled
    .. " ORDER BY " .. keys .. " LIMIT ?"
  local FIRST, NEXT = READ:format("1"), READ:format("(" .. keys .. ") > (" .. places .. ")")

  -- The next rows in order of key, after the given key values.
  function source.read(after, limit)
    if not after then return glyphcase.query(FIRST, limit) end
    local params = table.move(after, 1, #after, 1, {})
    params[#params + 1] = limit
    return glyphcase.query(NEXT, params)
  end

  return source
end

-- By folded table name.
function sources.read(config)
  local read = {}
  for _, entry in ipairs(config) do
    local name = entry.table:lower()
    if read[name] then error('config.sources names the table "' .. entry.table .. '" twice; list all its columns in one entry') end
    read[name] = make(entry)
  end
  return read
end

return sources
