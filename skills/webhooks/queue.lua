-- What waits for each endpoint, as it stands in the file.
--
-- A delivery is one or more changes that go into one request. Once put together it stays so until it is accepted or given
-- up, so that every attempt has the same id and the same body.

local queue = {}

-- Of one request; the host takes 1 MiB.
local MAX_BYTES = 900000

function queue.add(endpoint, change_id, body, now)
  local is_too_long = #body > MAX_BYTES
  glyphcase.execute(
    "INSERT INTO webhooks_queue(endpoint, state, change_id, body, created_at, last_error) VALUES (?, ?, ?, ?, ?, ?)",
    endpoint.name, is_too_long and "dead" or "waiting", change_id, body, now,
    is_too_long and "the change has " .. #body .. " bytes; at most " .. MAX_BYTES .. " are posted" or json.null
  )
  return not is_too_long
end

local function assemble(endpoint, first)
  local rows = glyphcase.query(
    "SELECT id, length(CAST(body AS BLOB)) AS size FROM webhooks_queue WHERE endpoint = ? AND state = 'waiting' AND delivery IS NULL ORDER BY id LIMIT ?",
    endpoint.name, endpoint.batch
  )
  local last, size = first.id, 0
  for _, row in ipairs(rows) do
    size = size + row.size + 1
    if size > MAX_BYTES and row.id > first.id then break end
    last = row.id
  end
  glyphcase.execute(
    "UPDATE webhooks_queue SET delivery = ? WHERE endpoint = ? AND state = 'waiting' AND delivery IS NULL AND id <= ?",
    first.change_id, endpoint.name, last
  )
  return first.change_id
end

-- The next delivery: { id=, body=, attempts=, created_at= }, or nil when nothing waits.
function queue.head(endpoint)
  local first = glyphcase.queryOne(
    "SELECT id, change_id, delivery, attempts, created_at FROM webhooks_queue WHERE endpoint = ? AND state = 'waiting' ORDER BY id LIMIT 1",
    endpoint.name
  )
  if not first then return nil end
  local delivery = first.delivery or assemble(endpoint, first)
  local bodies = {}
  for index, row in ipairs(glyphcase.query(
    "SELECT body FROM webhooks_queue WHERE endpoint = ? AND state = 'waiting' AND delivery = ? ORDER BY id", endpoint.name, delivery
  )) do bodies[index] = row.body end
  return {
    id = delivery,
    -- By the config of then: a delivery that was put together as a list stays one.
    body = (endpoint.batch > 1 or #bodies > 1) and "[" .. table.concat(bodies, ",") .. "]" or bodies[1],
    attempts = first.attempts,
    created_at = first.created_at,
  }
end

-- The delivery was accepted; returns how many changes it had.
function queue.accepted(endpoint, delivery)
  return glyphcase.execute(
    "DELETE FROM webhooks_queue WHERE endpoint = ? AND state = 'waiting' AND delivery = ?", endpoint.name, delivery
  ).changes
end

-- An attempt failed; `state` is what becomes of the delivery. Returns how many changes it has.
function queue.failed(endpoint, delivery, state, problem)
  return glyphcase.execute(
    "UPDATE webhooks_queue SET attempts = attempts + 1, last_error = ?, state = ? WHERE endpoint = ? AND state = 'waiting' AND delivery = ?",
    problem, state, endpoint.name, delivery
  ).changes
end

-- Puts what was given up back in its place, before everything that waits. Returns how many changes.
function queue.revive(endpoint, now)
  return glyphcase.execute(
    "UPDATE webhooks_queue SET state = 'waiting', attempts = 0, created_at = ? WHERE endpoint = ? AND state = 'dead' AND length(CAST(body AS BLOB)) <= ?",
    now, endpoint.name, MAX_BYTES
  ).changes
end

return queue
