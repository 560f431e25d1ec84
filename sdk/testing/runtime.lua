-- What a test.lua can call, and the coroutine its parts run in. Runs once per test in the host's own Lua state, before
-- test.lua, with `__testing`: functions of the runner that answer at once.
-- Invariant: whatever has to wait for the host (flush, clock, skill) yields to the runner, never inside a transaction.
local sys = __testing
__testing = nil

local error, getmetatable, ipairs, load, next, pairs, pcall, rawequal, rawget, rawset, select, setmetatable, tostring, type, xpcall =
  error, getmetatable, ipairs, load, next, pairs, pcall, rawequal, rawget, rawset, select, setmetatable, tostring, type, xpcall
local coroutine, json, math, string, table = coroutine, json, math, string, table
local unpack = table.unpack

local tests, setups, befores = {}, {}, {}
local thread, pending
local depth = 0
local failure_details

-- Waiting ------------------------------------------------------------------------------------------------------------

local function wait(call, op, ...)
  if coroutine.running() ~= thread then
    error(call .. " waits for the host, which only setup, before_each and test can do", 3)
  end
  if depth > 0 then
    error(call .. " inside glyphcase.transaction would wait for the transaction it stands in; call it afterwards", 3)
  end
  local args = { ... }
  for index = 1, select("#", ...) do
    if args[index] == nil then args[index] = json.null end
    if type(args[index]) == "function" then error(call .. ": a function cannot be passed on", 3) end
  end
  pending = { op = op, args = json.array(args) }
  local ok, value = coroutine.yield(pending)
  if not ok then error(value, 3) end
  return value
end

local transaction = glyphcase.transaction
function glyphcase.transaction(fn)
  if type(fn) ~= "function" then error("glyphcase.transaction: a function is needed, not a " .. type(fn), 2) end
  local function finish(ok, ...)
    depth = depth - 1
    if not ok then error((...), 0) end
    return ...
  end
  return transaction(function()
    depth = depth + 1
    return finish(pcall(fn))
  end)
end

-- file:line of every function on the stack, innermost first; there is no debug library to ask.
local function positions()
  local found = json.array()
  for level = 3, 60 do
    local _, where = pcall(error, "", level)
    where = string.match(where, "^(.-): ?$")
    if where and not string.find(where, "^testing:") and not string.find(where, "^sandbox:") and not string.find(where, "^glyphcase:") then
      found[#found + 1] = where
    end
  end
  return found
end

local function message_of(raised)
  if type(raised) == "string" then return raised end
  if type(raised) == "table" and type(rawget(raised, "message")) == "string" then return raised.message end
  return "error(" .. tostring(raised) .. ")"
end

local function describe_failure(raised)
  local message = message_of(raised)
  local failure = { message = message, stack = positions() }
  if failure_details and string.sub(message, -#failure_details.text) == failure_details.text then
    failure.expected, failure.actual = failure_details.expected, failure_details.actual
  end
  return failure
end

local function step(...)
  pending = nil
  local alive, value, failure = coroutine.resume(thread, ...)
  if coroutine.status(thread) == "suspended" then
    if pending ~= nil and rawequal(value, pending) then return value end
    return { failure = { message = "coroutine.yield() outside of a coroutine", stack = json.array() } }
  end
  thread = nil
  if not alive then return { failure = { message = message_of(value), stack = json.array() } } end
  if not value then return { failure = failure } end
  return {}
end

local function run_all(functions)
  return function()
    for _, fn in ipairs(functions) do fn() end
  end
end

-- For the runner: what test.lua has defined, and its parts one after the other.
function __testing_list()
  local list = json.array()
  for index, one in ipairs(tests) do list[index] = { name = one.name, place = one.place } end
  return list
end

function __testing_start(what, index)
  local body = what == "setup" and run_all(setups) or what == "before" and run_all(befores) or tests[index].fn
  depth, failure_details = 0, nil
  thread = coroutine.create(function() return xpcall(body, describe_failure) end)
  return step()
end

function __testing_resume(ok, value)
  return step(ok, value)
end

function __testing_fake(name, ...)
  local fake = rawget(host.functions, name)
  local arguments = { ... }
  for index = 1, select("#", ...) do if arguments[index] == json.null then arguments[index] = nil end end
  if fake == nil then return sys.answer(true, nil) end
  sys.answer(pcall(fake, unpack(arguments, 1, select("#", ...))))
end

-- Defining tests -----------------------------------------------------------------------------------------------------

local function function_argument(fn, call)
  if type(fn) ~= "function" then error(call .. ": a function is needed, not " .. (fn == nil and "nil" or "a " .. type(fn)), 3) end
  return fn
end

local function outside_of_tests(call)
  if thread then error(call .. " belongs at the top of test.lua, not inside a test", 3) end
end

function test(name, fn)
  outside_of_tests("test()")
  if type(name) ~= "string" or name == "" then error("test: the first argument is the test's name", 2) end
  for _, other in ipairs(tests) do
    if other.name == name then error('there are two tests called "' .. name .. '"', 2) end
  end
  local _, place = pcall(error, "", 3)
  tests[#tests + 1] = { name = name, fn = function_argument(fn, "test"), place = place }
end

function setup(fn)
  outside_of_tests("setup()")
  setups[#setups + 1] = function_argument(fn, "setup")
end

function before_each(fn)
  outside_of_tests("before_each()")
  befores[#befores + 1] = function_argument(fn, "before_each")
end

local modules = {}
function require(name)
  local source, chunk = sys.module(name)
  if modules[chunk] ~= nil then return modules[chunk] end
  local fn, message = load(source, "@" .. chunk)
  if not fn then error(message, 0) end
  local module = fn(name)
  if module == nil then module = true end
  modules[chunk] = module
  return module
end

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
    failure_details = nil
    if comparison and not is_negated then
      failure_details = { text = text, expected = shown(comparison.expected), actual = shown(actual) }
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

-- Host, clock, skill, actions, http ------------------------------------------------------------------------------------

function flush() wait("flush()", "flush") end

clock = {
  now = function() return sys.now() end,
  advance = function(duration) wait("clock.advance()", "advance", duration) end,
  set = function(time) wait("clock.set()", "set", time) end,
}

skill = {
  call = function(name, ...) return wait("skill.call()", "call", name, ...) end,
  reload = function(version) wait("skill.reload()", "reload", version) end,
  config = function(values) wait("skill.config()", "config", values) end,
  state = function() return sys.state() end,
  logs = function(level) return sys.logs(level) end,
}

actions = {
  sent = function(pattern) return sys.sent(pattern) end,
}

host = {
  functions = setmetatable({}, {
    __newindex = function(functions, name, fn)
      if type(fn) ~= "function" then error("host.functions." .. tostring(name) .. ": a function is needed", 2) end
      sys.register(name)
      rawset(functions, name, fn)
    end,
  }),
  calls = function(name) return sys.calls(name) end,
}

local responders = {}

-- The newest responder that fits counts.
function http.respond(url, answer)
  if type(url) ~= "string" then error('http.respond: a URL is needed, such as "https://api.example.com/*"', 2) end
  if type(answer) ~= "table" and type(answer) ~= "function" then
    error("http.respond: an answer is needed: { status = 200, json = { … } }, or a function that returns one", 2)
  end
  table.insert(responders, 1, { url = url, answer = answer })
end

function http.requests() return sys.requests() end

local function fits(pattern, url)
  if string.sub(pattern, -1) == "*" then return string.sub(url, 1, #pattern - 1) == string.sub(pattern, 1, -2) end
  return pattern == url
end

function __testing_respond(request)
  for _, one in ipairs(responders) do
    if fits(one.url, request.url) then
      if type(one.answer) == "function" then return one.answer(request) end
      return one.answer
    end
  end
  return nil
end
