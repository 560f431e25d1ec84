/**
 * The part of the API that is Lua: it runs before the skill's own script.
 *
 * Errors pass through `glyphcase.transaction` as they are, tables too, which a host function could not do; and one call
 * from the host serves many events.
 */
export const BOOTSTRAP = `
local begin, commit, rollback = __glyphcase.begin, __glyphcase.commit, __glyphcase.rollback
local bind, call = __glyphcase.bind, __glyphcase.call
__glyphcase = nil
local error, pcall, rawset, type, globals = error, pcall, rawset, type, _G

local function finish(ok, ...)
  if ok then
    commit()
    return ...
  end
  rollback()
  error((...), 0)
end

function glyphcase.transaction(fn)
  if type(fn) ~= "function" then error("glyphcase.transaction: a function is needed, not a " .. type(fn), 2) end
  begin()
  return finish(pcall(fn))
end

local function deliver(events)
  for index = 1, #events do
    local event = events[index]
    on_data_changed(event.table_name, event.operation, event.new_data or event.old_data, event)
  end
end

-- Functions of the host that were registered when the script had begun. An error names the script's line, not one in here.
-- Called by a tail call, so that its caller is the script.
local function passed(ok, ...)
  if not ok then error((...), 2) end
  return ...
end

local function define(name)
  rawset(globals, name, function(...) return passed(pcall(call, name, ...)) end)
end

bind(deliver, define)
`;
