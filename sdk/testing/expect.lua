-- `expect` of test.lua: how values are compared, and how they are shown. Runs before runtime.lua.
-- Invariant: a failed expectation is an error at the line that expected it; `__testing.comparison` tells its two sides.
local sys = __testing
local error, getmetatable, ipairs, next, pairs, pcall, rawequal, rawget, select, setmetatable, tostring, type =
  error, getmetatable, ipairs, next, pairs, pcall, rawequal, rawget, select, setmetatable, tostring, type
local math, string, table = math, string, table

local failed -- the last comparison that failed: { text, expected, actual }

-- What was compared when an error with this message was raised; nil for any other error.
function sys.comparison(message)
  if failed and string.sub(message, -#failed.text) == failed.text then return failed end
end

local function message_of(raised)
  if type(raised) == "string" then return raised end
  if type(raised) == "table" and type(rawget(raised, "message")) == "string" then return raised.message end
  return "error(" .. tostring(raised) .. ")"
end
sys.message_of = message_of

-- Showing and comparing values ---------------------------------------------------------------------------------------

-- The metatable of blobs is protected, and shows as false.
local function is_blob(value)
  return type(value) == "table" and getmetatable(value) == false
end

local function sorted_keys(value)
  local keys = {}
  for key in next, value do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
    return type(a) < type(b)
  end)
  return keys
end

local function show_key(key)
  if type(key) == "string" and string.find(key, "^[%a_][%w_]*$") then return key end
  return "[" .. (type(key) == "string" and string.format("%q", key) or tostring(key)) .. "]"
end

local function show_text(text)
  return '"' .. string.gsub(text, '[%c"\\]', function(char)
    local named = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }
    return named[char] or string.format("\\%03d", string.byte(char))
  end) .. '"'
end

local function show(value, indent, seen)
  if type(value) == "string" then return show_text(value) end
  if type(value) ~= "table" then return tostring(value) end
  if is_blob(value) then return "blob(" .. show_text(tostring(value)) .. ")" end
  if seen[value] then return "{…}" end
  seen[value] = true
  local parts, length, deeper = {}, #value, indent .. "  "
  for _, key in ipairs(sorted_keys(value)) do
    local is_item = math.type(key) == "integer" and key >= 1 and key <= length
    local text = show(rawget(value, key), deeper, seen)
    parts[#parts + 1] = is_item and text or show_key(key) .. " = " .. text
  end
  seen[value] = nil
  if #parts == 0 then return "{}" end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #line + #indent <= 80 and not string.find(line, "\n", 1, true) then return line end
  return "{\n" .. deeper .. table.concat(parts, ",\n" .. deeper) .. "\n" .. indent .. "}"
end

local function shown(value) return show(value, "", {}) end

-- The path to the first difference, or nil when the values are equal.
local function difference(actual, expected, path, seen)
  if rawequal(actual, expected) or (type(actual) == "number" and actual == expected) then return nil end
  if type(actual) ~= "table" or type(expected) ~= "table" or is_blob(actual) or is_blob(expected) then
    if is_blob(actual) and is_blob(expected) and actual == expected then return nil end
    return path
  end
  if seen[actual] == expected then return nil end
  seen[actual] = expected
  local keys = sorted_keys(actual)
  for _, key in ipairs(sorted_keys(expected)) do
    if rawget(actual, key) == nil then keys[#keys + 1] = key end
  end
  for _, key in ipairs(keys) do
    local step_text = show_key(key)
    if string.sub(step_text, 1, 1) ~= "[" and path ~= "" then step_text = "." .. step_text end
    local found = difference(rawget(actual, key), rawget(expected, key), path .. step_text, seen)
    if found then return found end
  end
  return nil
end

local function is_equal(actual, expected) return difference(actual, expected, "", {}) == nil end

-- expect -------------------------------------------------------------------------------------------------------------

-- Each returns whether it holds, what is said when it does not, and what when it should not; then what was expected, for a
-- comparison worth showing side by side.
local matchers = {}

function matchers.to_equal(actual, expected)
  local path = difference(actual, expected, "", {})
  local at = path and path ~= "" and " (they differ at " .. path .. ")" or ""
  return path == nil, "expected " .. shown(expected) .. ", got " .. shown(actual) .. at,
    "expected anything but " .. shown(expected), { expected = expected }
end

function matchers.to_be(actual, expected)
  local hint = type(actual) == "table" and is_equal(actual, expected) and "; they are equal, but not the same table: use to_equal" or ""
  return rawequal(actual, expected) or (type(actual) == "number" and actual == expected),
    "expected " .. shown(expected) .. ", got " .. shown(actual) .. hint,
    "expected anything but " .. shown(expected), hint == "" and { expected = expected } or nil
end

function matchers.to_be_nil(actual)
  return actual == nil, "expected nil, got " .. shown(actual), "expected a value, got nil"
end

function matchers.to_be_truthy(actual)
  return not not actual, "expected a value that counts as true, got " .. shown(actual),
    "expected nil or false, got " .. shown(actual)
end

function matchers.to_contain(actual, part)
  local found = false
  if type(actual) == "string" then
    if type(part) ~= "string" then error("to_contain: a text contains texts, not a " .. type(part), 3) end
    found = string.find(actual, part, 1, true) ~= nil
  elseif type(actual) == "table" then
    for _, item in pairs(actual) do found = found or is_equal(item, part) end
  else
    error("to_contain: a text or a table is needed, not a " .. type(actual), 3)
  end
  return found, "expected " .. shown(actual) .. " to contain " .. shown(part),
    "expected " .. shown(actual) .. " not to contain " .. shown(part)
end

function matchers.to_match(actual, pattern)
  if type(actual) ~= "string" or type(pattern) ~= "string" then
    error("to_match: a text and a Lua pattern are needed, not " .. shown(actual) .. " and " .. shown(pattern), 3)
  end
  return string.find(actual, pattern) ~= nil, "expected " .. shown(actual) .. " to match " .. shown(pattern),
    "expected " .. shown(actual) .. " not to match " .. shown(pattern)
end

function matchers.to_have_length(actual, length)
  if type(actual) ~= "string" and type(actual) ~= "table" then
    error("to_have_length: a text or a list is needed, not a " .. type(actual), 3)
  end
  return #actual == length, "expected length " .. tostring(length) .. ", got " .. #actual .. ": " .. shown(actual),
    "expected another length than " .. tostring(length) .. ": " .. shown(actual)
end

function matchers.to_fail(fn, part)
  if type(fn) ~= "function" then error("to_fail: a function is needed: expect(function() … end).to_fail(…)", 3) end
  local ok, raised = pcall(fn)
  local message = ok and "" or message_of(raised)
  if part == nil then return not ok, "expected it to fail, and it did not", "expected it not to fail: " .. message end
  if ok then return false, "expected it to fail with " .. shown(part) .. ", and it did not fail", "" end
  return string.find(message, part, 1, true) ~= nil,
    "expected it to fail with " .. shown(part) .. ", and it failed with " .. shown(message),
    "expected it not to fail with " .. shown(part) .. ": " .. message
end

local function assertion(actual, matcher, is_negated)
  return function(...)
    local holds, when_not, when_so, comparison = matcher(actual, ...)
    if holds ~= is_negated then return end
    local text = is_negated and when_so or when_not
    failed = nil
    if comparison and not is_negated then
      failed = { text = text, expected = shown(comparison.expected), actual = shown(actual) }
    end
    error(text, 2)
  end
end

local function known_only(what)
  return {
    __index = function(_, name)
      local names = {}
      for known in pairs(matchers) do names[#names + 1] = known end
      table.sort(names)
      error("expect(…)." .. what .. tostring(name) .. " does not exist; there are " .. table.concat(names, ", "), 2)
    end,
  }
end

function expect(...)
  if select("#", ...) == 0 then error("expect: a value is needed: expect(value).to_equal(…)", 2) end
  local actual = (...)
  local positive, negative = {}, {}
  for name, matcher in pairs(matchers) do
    positive[name] = assertion(actual, matcher, false)
    negative[name] = assertion(actual, matcher, true)
  end
  positive.never = setmetatable(negative, known_only("never."))
  return setmetatable(positive, known_only(""))
end
