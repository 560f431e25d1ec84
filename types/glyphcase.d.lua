---@meta
-- Everything a skill's Lua can call, for lua-language-server (https://luals.github.io). Never run.
-- `glyphcase skill new` writes a .luarc.json that points here; `glyphcase skill check` takes the names it knows from here.

-- Shapes ---------------------------------------------------------------------------------------------------------------

---A value that a column can hold. NULL is nil when read, and `json.null` when written.
---@alias glyphcase.Value string|number|boolean|glyphcase.Blob|glyphcase.Null|table

---A row: column → value. A column that is NULL is absent. A BLOB is read as a string; write one with `blob(s)`.
---@alias glyphcase.Row table<string, any>

---A list for `?`, a table for `:name`, or one value.
---@alias glyphcase.Params table|glyphcase.Value

---@alias glyphcase.Operation "INSERT"|"UPDATE"|"DELETE"

---A number of seconds, or a text: `"500ms"`, `"10s"`, `"5m"`, `"1h"`, `"7d"`.
---@alias glyphcase.Duration number|string

---SQL's NULL and JSON's null.
---@class glyphcase.Null: userdata

---A BLOB for writing.
---@class glyphcase.Blob

---A change of a row, as `on_data_changed` and `glyphcase.watch` get it.
---@class glyphcase.Event
---@field seq integer Its number in the log; rises.
---@field operation glyphcase.Operation
---@field change? "enter"|"leave"|"stay" Of watches with a filter: whether the row has come to fit it.
---@field table_name string
---@field row_id integer|string|table The primary key; a list when it is of several columns.
---@field old_data? glyphcase.Row UPDATE and DELETE.
---@field new_data? glyphcase.Row INSERT and UPDATE.
---@field old_blobs? string[] Columns of `old_data` that hold a BLOB.
---@field new_blobs? string[] Columns of `new_data` that hold a BLOB.
---@field changed_columns? string[] UPDATE.
---@field index? integer Watched queries with ORDER BY: the row's place in the result, from 1.
---@field old_index? integer The same before.
---@field timestamp integer Seconds, as `os.time()`.
---@field transaction_id string
---@field source "host"|"lua"|"sync"|"external" Who wrote it.

---@class glyphcase.Result
---@field changes integer Rows that were written.
---@field lastInsertId integer
---@field rows? glyphcase.Row[] Of a statement with RETURNING.

---@class glyphcase.JobOptions
---@field name? string Makes the job persist: its due time outlives reloads and restarts.
---@field jitter? glyphcase.Duration Each run is later by a random part of this.

---@class glyphcase.CronOptions: glyphcase.JobOptions
---@field timezone? string IANA name: `"Europe/Berlin"`.

---@class glyphcase.HttpRequest
---@field url string http or https; its host must be in `permissions.network`.
---@field method? string Default GET, or POST with a body.
---@field headers? table<string, string>
---@field body? string
---@field json? any Sent as JSON, instead of `body`.
---@field timeout? glyphcase.Duration Of the whole exchange. Default 10 s, at most 60 s.
---@field context? any Comes back with the answer; kept in the database, so it must fit JSON.

---@class glyphcase.HttpAnswer
---@field id string The request's.
---@field ok boolean Whether the status is 200 to 299.
---@field status? integer Absent when no answer came.
---@field url? string The last address, after redirects.
---@field headers? table<string, string|string[]> By lower-case name.
---@field body? string
---@field json? any The body, when it is JSON.
---@field error? string Why no answer came.
---@field context? any What the request was given.

---What an answer belongs to.
---@class glyphcase.HttpAsked
---@field id string
---@field method string
---@field url string
---@field context? any

-- glyphcase --------------------------------------------------------------------------------------------------------------

---The database, and what others are told.
---@class glyphcase
---@field skill string The skill's id; nil in the host's own scripts.
---@field config table The manifest's `config`, with its defaults.
glyphcase = {}

---Rows of a SELECT. More than 10,000 are an error.
---Errors: GC_SQL, GC_PERMISSION, GC_WRITE_IN_QUERY.
---@param sql string
---@param params? glyphcase.Params Or the remaining arguments.
---@param ... glyphcase.Value
---@return glyphcase.Row[]
function glyphcase.query(sql, params, ...) end

---The first row of a SELECT, or nil.
---@param sql string
---@param params? glyphcase.Params
---@param ... glyphcase.Value
---@return glyphcase.Row?
function glyphcase.queryOne(sql, params, ...) end

---The first column of the first row of a SELECT, or nil.
---@param sql string
---@param params? glyphcase.Params
---@param ... glyphcase.Value
---@return any
function glyphcase.queryScalar(sql, params, ...) end

---Runs a statement, or a script of several, which takes no parameters.
---Errors: GC_SQL, GC_PERMISSION, GC_CONSTRAINT.
---@param sql string
---@param params? glyphcase.Params
---@param ... glyphcase.Value
---@return glyphcase.Result
function glyphcase.execute(sql, params, ...) end

---Inserts a row; hooks run.
---@param table_name string
---@param row glyphcase.Row
---@return integer|string|table key The new row's primary key.
function glyphcase.insert(table_name, row) end

---Inserts many rows; hooks run for each.
---@param table_name string
---@param rows glyphcase.Row[]
---@return (integer|string|table)[] keys
function glyphcase.insertMultiple(table_name, rows) end

---Changes columns of one row; hooks run.
---@param table_name string
---@param id integer|string|table Its primary key.
---@param row glyphcase.Row Only what changes.
---@return integer rows 1, or 0 when there is no such row.
function glyphcase.update(table_name, id, row) end

---Changes columns of all rows that fit a condition.
---@param table_name string
---@param where string Such as `"status = ?"`.
---@param params glyphcase.Params
---@param row glyphcase.Row
---@return integer rows
function glyphcase.updateWhere(table_name, where, params, row) end

---Deletes one row; hooks run.
---@param table_name string
---@param id integer|string|table
---@return integer rows
function glyphcase.delete(table_name, id) end

---Deletes all rows that fit a condition.
---@param table_name string
---@param where string
---@param params? glyphcase.Params
---@param ... glyphcase.Value
---@return integer rows
function glyphcase.deleteWhere(table_name, where, params, ...) end

---Runs `fn` as a part of the transaction that can fail by itself: when it does, what it wrote is undone and the error goes on.
---@generic T
---@param fn fun(): T
---@return T
function glyphcase.transaction(fn) end

---Calls `fn` with each batch of changes from now on, for as long as the skill runs. What must not be missed belongs in
---`watches` and `on_data_changed`. At most 100.
---@overload fun(table_name: string, fn: fun(events: glyphcase.Event[])): string
---@overload fun(table_name: string, filter: string, fn: fun(events: glyphcase.Event[])): string
---@overload fun(query: string, params: glyphcase.Params, fn: fun(events: glyphcase.Event[])): string
---@param table_name string Or a SELECT.
---@param filter string Such as `"status = ?"`.
---@param params glyphcase.Params
---@param fn fun(events: glyphcase.Event[])
---@return string id
function glyphcase.watch(table_name, filter, params, fn) end

---Ends what `watch` or `on` began.
---@param id string
---@return boolean was_there
function glyphcase.unwatch(id) end

---Ends all that `watch` and `on` began.
function glyphcase.unwatch_all() end

---Sends an action when the transaction has committed. Needs `permissions.actions.dispatch`.
---@param action string Such as `"order:created"`.
---@param payload? any
function glyphcase.dispatch(action, payload) end

---Listens to an action, for as long as the skill runs. Needs `permissions.actions.listen`.
---@param action string The pattern may end in `*`: `"order:*"`.
---@param fn fun(payload: any, action: string): any
---@return string id For `unwatch`.
function glyphcase.on(action, fn) end

---Calls a global function of another skill, which runs with that one's permissions. Needs `dependencies`.
---@param skill string
---@param fn string
---@param ... any
---@return any ...
function glyphcase.call(skill, fn, ...) end

-- scheduler, crypto, cache, json, http, log ----------------------------------------------------------------------------------

---Timers and schedules. Needs `"schedule": true`. At most 100 jobs.
---@class scheduler
scheduler = {}

---Again and again.
---@param interval string `"1s"` or longer.
---@param fn function|string A function, or the name of a global one.
---@param options? glyphcase.JobOptions
---@return string id
function scheduler.every(interval, fn, options) end

---Once.
---@param delay string
---@param fn function|string
---@param options? glyphcase.JobOptions
---@return string id
function scheduler.after(delay, fn, options) end

---At the times of a cron text: minute, hour, day of month, month, day of week.
---@param times string Such as `"0 3 * * *"`.
---@param fn function|string
---@param options? glyphcase.CronOptions
---@return string id
function scheduler.cron(times, fn, options) end

---Ends a job.
---@param id string
---@return boolean was_there
function scheduler.stop(id) end

---Ends all jobs of the skill.
function scheduler.stop_all() end

---@class crypto
crypto = {}

---A random UUID.
---@return string
function crypto.uuid() end

---SHA-256, as 64 hexadecimal digits.
---@param text string
---@return string
function crypto.sha256(text) end

---HMAC-SHA-256, as 64 hexadecimal digits.
---@param key string
---@param text string
---@return string
function crypto.hmac(key, text) end

---Random bytes, 1 to 65,536.
---@param count integer
---@return string
function crypto.random(count) end

---The bcrypt hash of a password of at most 72 bytes.
---@param password string
---@return string
function crypto.bcrypt(password) end

---Whether a password belongs to a bcrypt hash.
---@param password string
---@param hash string
---@return boolean
function crypto.bcrypt_verify(password, hash) end

---Values in memory, the skill's own; they outlive a reload, not a restart.
---@class cache
cache = {}

---@param key string|number
---@param value any nil removes it.
---@param ttl? glyphcase.Duration How long it stays.
function cache.set(key, value, ttl) end

---@param key string|number
---@return any
function cache.get(key) end

---@param key string|number
---@return boolean was_there
function cache.delete(key) end
function cache.clear() end

---@class json
---@field null glyphcase.Null
json = {}

---@param value any
---@return string
function json.encode(value) end

---@param text string
---@return any
function json.decode(text) end

---Marks a table as a list, so that an empty one becomes `[]`.
---@param list? table
---@return table
function json.array(list) end

---@class http
http = {}

---Asks a host of `permissions.network`. The request is sent when the transaction has committed, and its answer arrives in
---`callback`, in a transaction of its own.
---@param request glyphcase.HttpRequest
---@param callback? string|fun(answer: glyphcase.HttpAnswer, asked: glyphcase.HttpAsked) By its name a global function gets the answer after a restart too.
---@return string id
function http.request(request, callback) end

---Lines for people: in the host's log and, the last 500, in `glyphcase skill logs`.
---@class log
log = {}

---@param ... any
function log.debug(...) end
---@param ... any
function log.info(...) end
---@param ... any
function log.warn(...) end
---@param ... any
function log.error(...) end

---A BLOB for writing.
---@param bytes string
---@return glyphcase.Blob
function blob(bytes) end

-- What a skill may define ----------------------------------------------------------------------------------------------------
-- A skill defines these as global functions. `---@type glyphcase.on_data_changed` above one gives its parameters their types.

---@alias glyphcase.on_install fun() Once per database, before the first activation.
---@alias glyphcase.on_upgrade fun(from_version: string) When the version is higher than the installed one.
---@alias glyphcase.on_activate fun() Each time it starts.
---@alias glyphcase.on_deactivate fun() Each time it stops.
---@alias glyphcase.on_uninstall fun() When it is removed with its data.
---@alias glyphcase.on_data_changed fun(table_name: string, operation: glyphcase.Operation, row: glyphcase.Row, event: glyphcase.Event) For each change of the tables in `watches`.
---@alias glyphcase.on_http_response fun(answer: glyphcase.HttpAnswer, asked: glyphcase.HttpAsked) Answers whose callback is gone.
---@alias glyphcase.before_insert fun(table_name: string, data: glyphcase.Row): glyphcase.Row? Returns the row to write.
---@alias glyphcase.validate_insert fun(table_name: string, data: glyphcase.Row): boolean?, string? Refuses by `return false, "why"`.
---@alias glyphcase.before_update fun(table_name: string, id: any, data: glyphcase.Row): glyphcase.Row?
---@alias glyphcase.validate_update fun(table_name: string, id: any, data: glyphcase.Row): boolean?, string?
---@alias glyphcase.before_delete fun(table_name: string, id: any): boolean?, string?
