-- A test has the permissions of the manifest, and as it comes that names no tables but the skill's own. So these tests let it
-- remove from its own log; a copy that is pointed at tables of yours can be tested with those.

local RULE = { table = "retention_log", column = "last_at", keep = "30d", where = "rule LIKE 'old %'" }

local function add(count, last_at)
  for number = 1, count do
    glyphcase.insert("retention_log", { day = "2026-01-01", rule = "old " .. last_at .. number, removed = 0, last_at = last_at })
  end
end

local function left()
  return glyphcase.queryScalar("SELECT count(*) FROM retention_log WHERE rule LIKE 'old %'")
end

test("does nothing without rules, and says so", function()
  add(1, "2020-01-01")
  clock.advance("2d")
  expect(left()).to_equal(1)
  expect(skill.logs("info")[1].message).to_contain("no rules are configured")
end)

test("looks first, and removes an hour later", function()
  skill.config({ rules = { RULE } })
  add(1, "2020-01-01")
  clock.advance("1h")
  expect(left()).to_equal(1)
  clock.advance("1h")
  expect(left()).to_equal(0)
end)

test("keeps what is young, and what is no time", function()
  skill.config({ rules = { RULE } })
  add(1, "2025-12-20")
  add(1, "long ago")
  clock.advance("3h")
  expect(left()).to_equal(2)
end)

test("removes many rows a few at a time, and counts them", function()
  skill.config({ rules = { RULE } })
  add(250, "2020-01-01 10:00:00")
  expect(skill.call("preview")[1].expired).to_equal(250)
  clock.advance("3h")
  expect(left()).to_equal(0)
  expect(glyphcase.queryScalar("SELECT sum(removed) FROM retention_log")).to_equal(250)
end)
