setup(function()
  glyphcase.execute([[
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
    INSERT INTO customers (id, name, note) VALUES (1, 'Ada Lovelace', 'likes engines'), (2, 'José Carreras', 'sings');
  ]])
end)

before_each(flush)

local function keys(text)
  local found = {}
  for _, hit in ipairs(skill.call("search", text)) do found[#found + 1] = hit.key end
  table.sort(found)
  return found
end

test("finds what was there before it came, without minding accents", function()
  expect(keys("lovelace")).to_equal({ 1 })
  expect(keys("jose")).to_equal({ 2 })
  expect(keys("nobody")).to_have_length(0)
end)

test("follows every change", function()
  glyphcase.insert("customers", { id = 3, name = "Grace Hopper", note = "likes compilers" })
  glyphcase.update("customers", 2, { note = "likes opera" })
  flush()
  expect(keys("likes")).to_equal({ 1, 2, 3 })
  glyphcase.delete("customers", 1)
  flush()
  expect(keys("likes")).to_equal({ 2, 3 })
end)

test("takes what people type as words, not as a query language", function()
  expect(keys('love" OR *')).to_have_length(0)
  expect(skill.state()).to_be("active")
end)
