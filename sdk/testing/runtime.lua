-- What a test.lua can call, and the coroutine its parts run in. Runs once per test in the host's own Lua state, before
-- test.lua, with `__testing`: functions of the runner that answer at once.
-- Invariant: whatever has to wait for the host (flush, clock, skill) yields to the runner, never inside a transaction.
local sys = __testing
__testing = nil

local error, ipairs, load, pcall, rawequal, rawget, rawset, select, setmetatable, tostring, type, xpcall =
  error, ipairs, load, pcall, rawequal, rawget, rawset, select, setmetatable, tostring, type, xpcall
local coroutine, json, string, table = coroutine, json, string, table
local unpack, message_of = table.unpack, sys.message_of

local tests, setups, befores = {}, {}, {}
local thread, pending
local depth = 0

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

local function describe_failure(raised)
  local message = message_of(raised)
  local failure = { message = message, stack = positions() }
  local comparison = sys.comparison(message)
  if comparison then failure.expected, failure.actual = comparison.expected, comparison.actual end
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
  depth = 0
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
