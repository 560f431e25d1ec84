setup(function()
  glyphcase.execute([[
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, photo BLOB);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL);
  ]])
end)

test("writes one row for every change, in order", function()
  local id = glyphcase.insert("customers", { name = "Ada" })
  glyphcase.update("customers", id, { name = "Ada Lovelace" })
  glyphcase.delete("customers", id)
  flush()
  local trail = glyphcase.query("SELECT table_name, row_id, operation, changed_columns, old_values, new_values FROM audit_trail ORDER BY id")
  expect(trail).to_have_length(3)
  expect(trail[2]).to_equal({
    table_name = "customers",
    row_id = id,
    operation = "UPDATE",
    changed_columns = '["name"]',
    old_values = '{"id":1,"name":"Ada"}',
    new_values = '{"id":1,"name":"Ada Lovelace"}',
  })
  expect(trail[3].operation).to_be("DELETE")
end)

test("says nothing of an update that changes nothing", function()
  local id = glyphcase.insert("orders", { total = 1 })
  flush()
  glyphcase.update("orders", id, { total = 1 })
  flush()
  expect(glyphcase.queryScalar("SELECT count(*) FROM audit_trail")).to_be(1)
end)

test("tells the history of one row, newest first", function()
  local id = glyphcase.insert("customers", { name = "Ada" })
  glyphcase.insert("customers", { name = "Bob" })
  flush()
  glyphcase.update("customers", id, { name = "Eve" })
  flush()
  local history = skill.call("history", "customers", id)
  expect(history).to_have_length(2)
  expect(history[1].new_values).to_equal({ id = id, name = "Eve" })
  expect(history[2].operation).to_be("INSERT")
  expect(function() skill.call("history", "customers") end).to_fail("a row's key are needed")
end)
