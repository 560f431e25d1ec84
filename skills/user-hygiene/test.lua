setup(function()
  glyphcase.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT, slug TEXT, password_hash TEXT)")
end)

local function users()
  return glyphcase.query("SELECT * FROM users ORDER BY id")
end

test("tidies e-mail and name, and makes a slug", function()
  glyphcase.insert("users", { email = " Ada@Example.COM ", name = " Ada Lovelace " })
  expect(users()).to_equal({ { id = 1, email = "ada@example.com", name = "Ada Lovelace", slug = "ada-lovelace" } })
end)

test("numbers slugs that are taken", function()
  for number = 1, 3 do glyphcase.insert("users", { email = number .. "@b", name = "Ada" }) end
  expect(users()[3].slug).to_equal("ada-3")
end)

test("keeps the hash of a password only", function()
  glyphcase.insert("users", { email = "a@b", name = "Ada", password = "correct horse" })
  expect(users()[1].password_hash).to_match("^%$2b%$10%$")
  expect(skill.call("verify", "A@b", "correct horse")).to_equal(1)
  expect(skill.call("verify", "a@b", "correct mule")).to_be_nil()
end)

test("refuses what is wrong", function()
  expect(function() glyphcase.insert("users", { email = "nobody", name = "Ada" }) end).to_fail("not an e-mail address")
  expect(function() glyphcase.insert("users", { email = "a@b", name = "A" }) end).to_fail("2 letters")
  expect(function() glyphcase.insert("users", { email = "a@b", name = "Ada", password = "short" }) end).to_fail("8 letters")
  expect(users()).to_have_length(0)
end)

test("takes other limits from its config", function()
  skill.config({ min_name = 1 })
  glyphcase.insert("users", { email = "a@b", name = "A" })
  expect(users()).to_have_length(1)
end)
