/**
 * The Lua that every state runs first, before any script: it assembles the globals a script sees.
 *
 * Invariant: it is text in a module and not a file beside it, because a bundle takes only modules along.
 */
export const PRELUDE = String.raw`-- The sandbox: builds the globals a script sees. Runs once per state, before any script, with
-- "sys" (host functions for its own use), "functions" and "values" (what the host offers, by dotted name), and two tables the host
-- recognises: "blob", the metatable of blobs, and "arrays", whose weak keys are the empty tables that are arrays.
-- Invariant: everything used here is captured in locals, and nothing of the interpreter's own globals is reachable afterwards.
local sys, functions, values, blob, arrays = ...

local assert, error, getmetatable, ipairs, load, next, pairs, pcall, rawequal, rawget, rawlen, rawset, select, setmetatable, tostring, type =
  assert, error, getmetatable, ipairs, load, next, pairs, pcall, rawequal, rawget, rawlen, rawset, select, setmetatable, tostring, type
local collectgarbage, concat, gmatch = collectgarbage, table.concat, string.gmatch

math.randomseed(sys.seed())

-- No bytecode out (and, through "load", none in); ("x"):upper() looks methods up where no script can change them.
string.dump = nil
local methods = {}
for name, fn in pairs(string) do methods[name] = fn end
local string_metatable = getmetatable("")
string_metatable.__index = methods
string_metatable.__metatable = false

local env = {
  _VERSION = _VERSION, assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
  pcall = pcall, rawequal = rawequal, rawget = rawget, rawlen = rawlen, rawset = rawset, select = select, tonumber = tonumber,
  tostring = tostring, type = type, xpcall = xpcall,
  string = string, table = table, math = math, utf8 = utf8, coroutine = coroutine,
}
env._G = env

-- Calls a host function for the script: an error names the script's line, not one in here.
local function forward(fn, ...)
  local ok, first, second = pcall(fn, ...)
  if not ok then error(first, 3) end
  return first, second
end

-- Finalizers would run at any moment, inside host calls too.
function env.setmetatable(t, metatable)
  if type(t) ~= "table" then error("setmetatable: a table is needed, not a " .. type(t), 2) end
  if metatable ~= nil and type(metatable) ~= "table" then
    error("setmetatable: the metatable must be nil or a table, not a " .. type(metatable), 2)
  end
  if metatable and rawget(metatable, "__gc") ~= nil then error("setmetatable: __gc is not allowed here", 2) end
  if getmetatable(t) == nil then return setmetatable(t, metatable) end
  return (forward(setmetatable, t, metatable)) -- may be protected
end

-- Stopping the collector would defeat the memory limit.
function env.collectgarbage(option)
  if option ~= nil and option ~= "count" then error("collectgarbage: only 'count' is allowed here", 2) end
  return collectgarbage("count")
end

function env.load(source, name, mode, ...)
  if type(source) ~= "string" then error("load: the script must be a string", 2) end
  local scope = env
  if select("#", ...) > 0 then scope = ... end
  return load(source, type(name) == "string" and name or "=(load)", "t", scope)
end

function env.print(...)
  local parts = { ... }
  for index = 1, select("#", ...) do parts[index] = tostring(parts[index]) end
  sys.print(concat(parts, "\t"))
end

env.os = {
  clock = sys.clock,
  date = function(format, time) return (forward(sys.date, format, time)) end,
  difftime = function(a, b) return a - b + 0.0 end,
  time = function(fields)
    local time, normal = forward(sys.time, fields)
    if normal then for key, value in pairs(normal) do fields[key] = value end end
    return time
  end,
}

setmetatable(arrays, { __mode = "k" })
env.json = {
  null = sys.null,
  encode = function(value) return (forward(sys.encode, value)) end,
  decode = function(text) return (forward(sys.decode, text)) end,
  array = function(t)
    if t == nil then t = {} elseif type(t) ~= "table" then error("json.array: a table or nothing, not a " .. type(t), 2) end
    arrays[t] = true
    return t
  end,
}

blob.__metatable = false
function blob.__tostring(self) return self[1] end
function blob.__len(self) return #self[1] end
function blob.__eq(a, b) return rawget(a, 1) == rawget(b, 1) end
function env.blob(bytes)
  if type(bytes) ~= "string" then error("blob: a string is needed, not a " .. type(bytes), 2) end
  return setmetatable({ bytes }, blob)
end

if sys.read_module then
  local loaded, LOADING = {}, {}
  function env.require(name)
    if type(name) ~= "string" then error("require: the module's name must be a string", 2) end
    local module = loaded[name]
    if module == LOADING then error("circular require of '" .. name .. "'", 2) end
    if module ~= nil then return module end
    local source, chunk = forward(sys.read_module, name)
    local fn, message = load(source, chunk, "t", env)
    if not fn then sys.syntax_error(message) end
    loaded[name] = LOADING
    local ok, result = pcall(fn, name)
    if not ok then
      loaded[name] = nil
      error(result, 0)
    end
    if result == nil then result = true end
    loaded[name] = result
    return result
  end
end

local function place(path, value)
  local t, last = env, nil
  for part in gmatch(path, "[^.]+") do
    if last then
      if type(t[last]) ~= "table" then t[last] = {} end
      t = t[last]
    end
    last = part
  end
  t[last] = value
end
for path, value in pairs(values) do place(path, value) end
for path, fn in pairs(functions) do place(path, fn) end

return env
`;
