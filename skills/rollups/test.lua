setup(function()
  glyphcase.execute("CREATE TABLE main.events (id INTEGER PRIMARY KEY, created_at TEXT, kind TEXT, size INTEGER)")
  glyphcase.insert("events", { created_at = "2026-01-01 09:10:00", kind = "a", size = 5 })
end)

local function settle()
  for _ = 1, 100 do
    clock.advance("50ms")
    if skill.call("status").ready then return end
  end
  error("it does not come to rest")
end

local function results(columns)
  settle()
  return glyphcase.query("SELECT bucket, " .. columns .. " FROM rollup_events ORDER BY period, bucket, id")
end

test("counts the rows that were there, and those that come", function()
  glyphcase.insert("events", { created_at = "2026-01-01 09:50:00" })
  glyphcase.insert("events", { created_at = "2026-01-01 10:00:00" })
  expect(results('"rows"')).to_equal({
    { bucket = "2026-01-01", rows = 3 },
    { bucket = "2026-01-01 09:00", rows = 2 },
    { bucket = "2026-01-01 10:00", rows = 1 },
  })
end)

test("follows rows that move to another hour, and rows that go", function()
  glyphcase.update("events", 1, { created_at = "2026-01-02T00:00:00Z" })
  expect(results('"rows"')).to_equal({ { bucket = "2026-01-02", rows = 1 }, { bucket = "2026-01-02 00:00", rows = 1 } })
  glyphcase.delete("events", 1)
  expect(results('"rows"')).to_equal({})
end)

test("computes sums, averages, least and greatest values by group", function()
  skill.config({
    rollups = {
      { name = "events", table = "events", time = "created_at", group = { "kind" }, sum = { "size" }, avg = { "size" }, min = { "size" }, max = { "size" } },
    },
  })
  glyphcase.insert("events", { created_at = "2026-01-01 09:59:59", kind = "a", size = 10 })
  expect(results("kind, sum_size, avg_size, min_size, max_size")[2]).to_equal({
    bucket = "2026-01-01 09:00", kind = "a", sum_size = 15, avg_size = 7.5, min_size = 5, max_size = 10,
  })
  glyphcase.delete("events", 1)
  expect(results("min_size")[1].min_size).to_equal(10)
end)
