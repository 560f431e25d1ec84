---@meta
-- What a test.lua can call beside the functions of glyphcase.d.lua; `glyphcase skill test` runs it. Never run as it stands.
-- There `glyphcase` is the operator's: no permissions on tables, and what it writes comes from outside the skill.

---One test: a database, a clock and a start of the skill of its own.
---@param name string
---@param fn fun()
function test(name, fn) end

---Runs before the skill is installed: creates the tables it watches.
---@param fn fun()
function setup(fn) end

---Runs before each test, when the skill is active.
---@param fn fun()
function before_each(fn) end

---@class glyphcase.Expectation
---@field never glyphcase.Expectation The opposite.
---@field to_equal fun(expected: any) Tables by what is in them.
---@field to_be fun(expected: any) The same value, or the same table.
---@field to_be_nil fun()
---@field to_be_truthy fun() Neither nil nor false.
---@field to_contain fun(part: any) A text another text, a table an equal value.
---@field to_match fun(pattern: string) A Lua pattern.
---@field to_have_length fun(length: integer)
---@field to_fail fun(part?: string) A function raises an error whose message contains this.

---@param value any
---@return glyphcase.Expectation
function expect(value) end

---Waits until everything committed so far has been handled: reactions, actions, jobs that are due, answers. Fails when a skill
---failed meanwhile.
function flush() end

---The time, which stands still until it is moved. Tests begin at 2026-01-01T00:00:00Z.
---@class clock
clock = {}

---Seconds, as `os.time()`.
---@return integer
function clock.now() end

---Moves time on; jobs that fall due run in order.
---@param duration glyphcase.Duration
function clock.advance(duration) end

---Moves time to a moment: seconds, or `"2026-03-29T01:30:00Z"`.
---@param time integer|string
function clock.set(time) end

---The skill under test.
---@class skill
skill = {}

---Calls a global function of the skill, in a transaction; its first result.
---@param fn string
---@param ... any
---@return any
function skill.call(fn, ...) end

---Loads it again, as after an edit; with a version, as if the manifest had this one.
---@param version? string
function skill.reload(version) end

---Gives it other values of its config, and loads it again if it runs.
---@param values table
function skill.config(values) end

---@return string state `"active"`, `"waiting"`, `"failed"`, `"quarantined"`, …
---@return string[] reasons
function skill.state() end

---What it logged, oldest first.
---@param level? "debug"|"info"|"warn"|"error"
---@return { level: string, message: string }[]
function skill.logs(level) end

---@class actions
actions = {}

---Actions that were dispatched, oldest first.
---@param pattern? string Such as `"order:*"`.
---@return { action: string, payload: any }[]
function actions.sent(pattern) end

---@class host
---@field functions table<string, function> Assign one to answer for a function of the host; the others answer nil.
host = {}

---Arguments of each call of a host function, oldest first.
---@param name string
---@return any[][]
function host.calls(name) end

---Answers requests of the skill to this address, which may end in `*`.
---@param url string
---@param answer { status?: integer, headers?: table<string, string>, body?: string, json?: any, error?: string }|fun(request: table): table
function http.respond(url, answer) end

---Requests the skill has sent, oldest first.
---@return { method: string, url: string, headers: table<string, string>, body?: string, json?: any }[]
function http.requests() end
