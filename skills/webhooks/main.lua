-- Posts chosen changes to URLs.
--
-- A change is put into the queue in the transaction that handles it, so once and in order. Of each endpoint one request is under
-- way at a time: asking for it and noting that it is under way are one transaction, and so are handling its answer and asking for
-- the next. Wherever the process dies, the next start goes on from there.

local changes = require("changes")
local queue = require("queue")

local config = glyphcase.config

-- Pauses after failures, in seconds: 1, 2, 4, … up to an hour.
local FIRST_PAUSE, LAST_PAUSE = 1, 3600
local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }
local number, unit = config.give_up_after:match("^([%d.]+)(%a)$")
local GIVE_UP_AFTER = tonumber(number) * UNITS[unit]
-- An answer that has not come so long after the request, or the start, will not come any more.
local LOST_AFTER = 900

local endpoints = {}
for _, endpoint in ipairs(config.endpoints) do
  if endpoints[endpoint.name] then error('config.endpoints names "' .. endpoint.name .. '" twice', 0) end
  endpoint.batch, endpoint.headers = endpoint.batch or 1, endpoint.headers or {}
  endpoints[endpoint.name] = endpoint
end

local started_at = os.time()

local function state_of(endpoint)
  return glyphcase.queryOne("SELECT * FROM webhooks_endpoints WHERE name = ?", endpoint.name)
end

local function set(endpoint, values)
  glyphcase.updateWhere("webhooks_endpoints", "name = ?", { endpoint.name }, values)
end

---------------------------------------------------------------------------------------------------- sending

local function plan(endpoint, seconds)
  scheduler.after(math.max(1, math.ceil(seconds)) .. "s", "pump", { name = "pump " .. endpoint.name })
end

local function attempt_failed(endpoint, delivery, answer)
  local now, state = os.time(), state_of(endpoint)
  local failures = state.failures + 1
  local pause = math.min(FIRST_PAUSE * 2 ^ math.min(failures - 1, 30), LAST_PAUSE)
  pause = math.floor(math.min(math.max(pause, answer.retry_after or 0), LAST_PAUSE))
  local is_over = now - delivery.created_at >= GIVE_UP_AFTER
  local count = queue.failed(endpoint, delivery.id, is_over and "dead" or "waiting", answer.problem)
  set(endpoint, {
    failures = failures, next_at = now + pause, in_flight = json.null,
    last_status = answer.status or json.null, last_error = answer.problem,
  })
  if is_over then
    log.error(string.format("%s: given up after %s, %d changes: %s", endpoint.name, config.give_up_after, count, answer.problem))
  elseif failures == 1 then
    log.warn(string.format("%s: not accepted, tried again until it is: %s", endpoint.name, answer.problem))
  end
  plan(endpoint, pause)
end

local function request_of(endpoint, delivery)
  local now = os.time()
  local headers = {}
  for name, value in pairs(endpoint.headers) do headers[name:lower()] = value end
  headers["content-type"] = "application/json"
  headers["x-glyphcase-delivery"] = delivery.id
  headers["idempotency-key"] = delivery.id
  headers["x-glyphcase-signature"] = "t=" .. now .. ",v1=" .. crypto.hmac(endpoint.secret, now .. "." .. delivery.body)
  return {
    url = endpoint.url, method = "POST", headers = headers, body = delivery.body, timeout = endpoint.timeout,
    context = { endpoint = endpoint.name, delivery = delivery.id, created_at = delivery.created_at },
  }
end

-- Sends the next delivery, unless one is under way. Returns how many seconds it has to wait with that after a failure, or nil.
local function send_next(endpoint)
  local now, state = os.time(), state_of(endpoint)
  if state.state ~= "on" then return nil end
  if state.in_flight then
    if now - math.max(state.sent_at, started_at) < LOST_AFTER then return nil end
    set(endpoint, { in_flight = json.null })
  end
  local wait = state.failures > 0 and state.next_at - now or 0
  if wait > 0 and wait <= LAST_PAUSE then return wait end -- more than that is a clock that was set back
  local delivery = queue.head(endpoint)
  if not delivery then return nil end
  -- What is wrong with the URL, the headers or the permissions is mended by an edit; nothing is lost meanwhile.
  local ok, id = pcall(http.request, request_of(endpoint, delivery), "answered")
  if not ok then return attempt_failed(endpoint, delivery, { problem = tostring(id) }) end
  set(endpoint, { in_flight = id, sent_at = now })
end

-- Called by jobs: `pump NAME` after a failure, `look` every ten minutes for all.
function pump(job)
  for name, endpoint in pairs(endpoints) do
    if job.name == "look" or job.name == "pump " .. name then
      local wait = send_next(endpoint)
      if wait then plan(endpoint, wait) end
    end
  end
end

---------------------------------------------------------------------------------------------------- answers

local function problem_of(response, request)
  if response.error then return response.error end
  if response.url ~= request.url then return "redirected to " .. response.url end
  if not response.ok then return "status " .. response.status end
end

function answered(response, request)
  local context = response.context
  local endpoint = endpoints[context.endpoint]
  -- Of an endpoint that was taken out of the config, or of a request that was taken for lost.
  if not endpoint or state_of(endpoint).in_flight ~= response.id then return end
  local problem = problem_of(response, request)
  if not problem then
    local state = state_of(endpoint)
    local count = queue.accepted(endpoint, context.delivery)
    if state.failures > 0 then log.info(endpoint.name .. ": accepted again") end
    set(endpoint, {
      in_flight = json.null, failures = 0, next_at = 0, delivered = state.delivered + count, last_status = response.status,
      last_error = json.null, last_accepted_at = os.time(),
    })
    send_next(endpoint)
  elseif response.status == 410 then
    set(endpoint, { in_flight = json.null, state = "disabled", last_status = 410, last_error = problem })
    log.warn(endpoint.name .. ': it answers 410 Gone and gets nothing any more, until somebody calls enable("' .. endpoint.name .. '")')
  else
    attempt_failed(endpoint, { id = context.delivery, created_at = context.created_at }, {
      problem = problem, status = response.status,
      retry_after = response.headers and tonumber(response.headers["retry-after"]),
    })
  end
end

---------------------------------------------------------------------------------------------------- changes

-- Which endpoints are on, and have been asked to send, as far as the changes of one transaction tell, which are handled in one.
-- When that is undone and comes again, it begins with a change that was seen.
local known = { seq = 0 }

local function standing_of(endpoint)
  known[endpoint] = known[endpoint] or { is_on = state_of(endpoint).state == "on", is_asked = false }
  return known[endpoint]
end

function on_data_changed(_, _, _, event)
  if known.transaction ~= event.transaction_id or event.seq <= known.seq then known = { transaction = event.transaction_id } end
  known.seq = event.seq
  for _, endpoint in ipairs(config.endpoints) do
    local entry = changes.fitting(endpoint.changes, event)
    local standing = entry and standing_of(endpoint)
    if standing and standing.is_on then
      local id = crypto.uuid()
      if not queue.add(endpoint, id, changes.text(id, event, entry.columns), os.time()) then
        log.error(endpoint.name .. ": a change of " .. event.table_name .. " is too long to be posted")
      elseif not standing.is_asked then
        standing.is_asked = true
        send_next(endpoint)
      end
    end
  end
end

---------------------------------------------------------------------------------------------------- for people

local function named(name, call)
  return endpoints[name] or error(call .. "(name): there is no endpoint " .. tostring(name), 3)
end

-- Where the endpoints stand.
function status()
  local list = json.array()
  for index, endpoint in ipairs(config.endpoints) do
    local state = state_of(endpoint)
    local function count(what)
      return glyphcase.queryScalar("SELECT count(*) FROM webhooks_queue WHERE endpoint = ? AND state = ?", endpoint.name, what)
    end
    list[index] = {
      name = endpoint.name, state = state.state, delivered = state.delivered, waiting = count("waiting"), dead = count("dead"),
      failures = state.failures, last_status = state.last_status, last_error = state.last_error,
    }
  end
  return list
end

-- An endpoint that has answered 410 is told of changes again, from those on that waited then.
function enable(name)
  local endpoint = named(name, "enable")
  set(endpoint, { state = "on", failures = 0, next_at = 0 })
  send_next(endpoint)
end

-- What was given up is tried anew, before everything else. Returns how many changes.
function retry(name)
  local endpoint = named(name, "retry")
  local count = queue.revive(endpoint, os.time())
  set(endpoint, { failures = 0, next_at = 0 })
  send_next(endpoint)
  return count
end

-- What was under way before the installation (GlyphCase was detached from the file, and is back) has no answer any more.
function on_install()
  glyphcase.execute("UPDATE webhooks_endpoints SET in_flight = NULL")
end

function on_activate()
  if #config.endpoints == 0 then
    scheduler.stop("look")
    log.info("no endpoints are configured, nothing is posted; README.md shows how")
    return
  end
  scheduler.every("10m", "pump", { name = "look" })
  for _, endpoint in ipairs(config.endpoints) do
    glyphcase.execute("INSERT OR IGNORE INTO webhooks_endpoints(name) VALUES (?)", endpoint.name)
    -- It may have been this config that was wrong.
    set(endpoint, { next_at = 0 })
  end
  -- Not at once: until this version has taken over, the hosts that count are those of the one before.
  scheduler.after("1s", function() pump({ name = "look" }) end)
end
