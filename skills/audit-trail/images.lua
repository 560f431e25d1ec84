-- Rows as JSON text. json.encode would do for most; a trail must also take what JSON has no word for: infinity, bytes, and whole
-- numbers that only look like others when they are rounded.

local images = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(character)
  return ESCAPES[character] or string.format("\\u%04x", character:byte())
end

local function text(value)
  return '"' .. value:gsub('[%c"\\]', escape) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then return string.format("%d", value) end
  if value == math.huge then return "9e999" end -- what SQLite writes, and reads as infinity
  if value == -math.huge then return "-9e999" end
  return string.format("%.17g", value)
end

local function bytes(value)
  local hex = value:gsub(".", function(byte) return string.format("%02X", byte:byte()) end)
  return '{"$blob":"' .. hex .. '"}'
end

local function encode(value)
  local kind = type(value)
  if kind == "nil" then return "null" end
  if kind == "number" then return number(value) end
  if kind == "string" then return utf8.len(value) and text(value) or bytes(value) end
  return json.encode(value)
end

function images.list(values)
  local parts = {}
  for index, value in ipairs(values) do parts[index] = encode(value) end
  return "[" .. table.concat(parts, ",") .. "]"
end

-- Columns in alphabetical order, so that equal rows give equal text. A column that is NULL is left out, unless it is among
-- the changed ones: then null says that it was or became NULL. `blobs` lists the columns whose value is a BLOB.
function images.row(row, changed_columns, blobs)
  local names, is_blob = {}, {}
  for name in pairs(row) do names[#names + 1] = name end
  for _, name in ipairs(changed_columns or {}) do
    if row[name] == nil then names[#names + 1] = name end
  end
  for _, name in ipairs(blobs or {}) do is_blob[name] = true end
  table.sort(names)
  for index, name in ipairs(names) do
    names[index] = text(name) .. ":" .. (is_blob[name] and bytes or encode)(row[name])
  end
  return "{" .. table.concat(names, ",") .. "}"
end

return images
