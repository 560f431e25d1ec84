setup(function()
  glyphcase.execute([[
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT DEFAULT 'new', total REAL);
    CREATE TABLE order_items (id INTEGER PRIMARY KEY, order_id INTEGER, price REAL, quantity INTEGER);
    INSERT INTO orders (id, user_id, total) VALUES (1, 7, 99);
    INSERT INTO order_items (order_id, price, quantity) VALUES (1, 2.5, 2), (1, 10, 1);
  ]])
end)

local function total(id)
  return glyphcase.queryScalar("SELECT total FROM orders WHERE id = ?", id)
end

test("puts right what was there before it came", function()
  expect(total(1)).to_equal(15)
end)

test("follows items that come, change and go", function()
  glyphcase.insert("order_items", { order_id = 1, price = 1, quantity = 5 })
  flush()
  expect(total(1)).to_equal(20)
  glyphcase.updateWhere("order_items", "price = ?", { 10 }, { quantity = 2 })
  flush()
  expect(total(1)).to_equal(30)
  glyphcase.deleteWhere("order_items", "order_id = ?", 1)
  flush()
  expect(total(1)).to_equal(0)
end)

test("follows an item to another order", function()
  local other = glyphcase.insert("orders", { user_id = 8 })
  glyphcase.updateWhere("order_items", "price = ?", { 10 }, { order_id = other })
  flush()
  expect(total(1)).to_equal(5)
  expect(total(other)).to_equal(10)
end)

test("announces an order once when it is made and once when it is shipped", function()
  local id = glyphcase.insert("orders", { user_id = 8 })
  flush()
  glyphcase.update("orders", id, { status = "shipped" })
  flush()
  glyphcase.insert("order_items", { order_id = id, price = 3, quantity = 1 })
  flush()
  expect(actions.sent()).to_equal({
    { action = "order:created", payload = { orderId = id, userId = 8, total = 0 } },
    { action = "order:shipped", payload = { orderId = id } },
  })
end)
