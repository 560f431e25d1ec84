local URL = "https://example.com/hook"
local ENDPOINT = {
  name = "example", url = URL, secret = "a long secret",
  changes = { { table = "events", operations = { "INSERT" } } },
}

setup(function()
  glyphcase.execute("CREATE TABLE main.events (id INTEGER PRIMARY KEY, kind TEXT)")
end)

local function bodies()
  local list = {}
  for index, request in ipairs(http.requests()) do list[index] = request.json.new.kind end
  return list
end

test("posts nothing without endpoints, and says so", function()
  glyphcase.insert("events", { kind = "a" })
  flush()
  expect(http.requests()).to_have_length(0)
  expect(skill.logs("info")[1].message).to_contain("no endpoints are configured")
end)

test("posts each change once, in order and signed", function()
  http.respond(URL, { status = 204 })
  skill.config({ endpoints = { ENDPOINT } })
  for _, kind in ipairs({ "a", "b", "c" }) do glyphcase.insert("events", { kind = kind }) end
  flush()
  expect(bodies()).to_equal({ "a", "b", "c" })
  local first = http.requests()[1]
  local time, signature = first.headers["x-glyphcase-signature"]:match("^t=(%d+),v1=(%x+)$")
  expect(signature).to_equal(crypto.hmac("a long secret", time .. "." .. first.body))
  expect(skill.call("status")[1]).to_equal({ name = "example", state = "on", delivered = 3, waiting = 0, dead = 0, failures = 0, last_status = 204 })
end)

test("tries again until it is accepted, and lets nothing overtake", function()
  local attempts = 0
  http.respond(URL, function()
    attempts = attempts + 1
    return { status = attempts < 3 and 500 or 200 }
  end)
  skill.config({ endpoints = { ENDPOINT } })
  glyphcase.insert("events", { kind = "a" })
  glyphcase.insert("events", { kind = "b" })
  flush()
  expect(bodies()).to_equal({ "a" })
  clock.advance("1s")
  expect(bodies()).to_equal({ "a", "a" })
  clock.advance("2s")
  expect(bodies()).to_equal({ "a", "a", "a", "b" })
  local requests = http.requests()
  expect(requests[3].headers["x-glyphcase-delivery"]).to_equal(requests[1].headers["x-glyphcase-delivery"])
end)

test("gives up after three days, and can be asked to try again", function()
  http.respond(URL, { error = "no route" })
  skill.config({ endpoints = { ENDPOINT } })
  glyphcase.insert("events", { kind = "a" })
  flush()
  clock.advance("73h")
  expect(skill.call("status")[1].dead).to_equal(1)
  http.respond(URL, { status = 200 })
  expect(skill.call("retry", "example")).to_equal(1)
  flush()
  expect(skill.call("status")[1].delivered).to_equal(1)
end)

test("leaves an endpoint that is gone alone", function()
  http.respond(URL, { status = 410 })
  skill.config({ endpoints = { ENDPOINT } })
  glyphcase.insert("events", { kind = "a" })
  flush()
  glyphcase.insert("events", { kind = "b" })
  clock.advance("1d")
  expect(bodies()).to_equal({ "a" })
  expect(skill.call("status")[1].state).to_equal("disabled")
end)
