-- Tidies, checks and completes users before they are written.
--
-- A plain password is gone before anything is written: what reaches the table, and with it the change log, is the hash. All
-- that a caller may have got wrong is refused here, before anything fails over it: no input counts as a failure of the skill.

local slugs = require("slugs")

local config = glyphcase.config
local columns = config.columns

local MAX_EMAIL = 254 -- RFC 5321
local MAX_PASSWORD = 72 -- what bcrypt reads
-- Compared with when there is no such user, so that the answer takes as long as a wrong password's.
local NOBODY = "$2b$10$C6UzMDM.H6dfI/f/IKcEeO7ZBHkD4NsvkOrGnpRz9n3mXl7bZ5b5K"

local function quote(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

local TABLE = quote(config.table)

local found = {}

-- Whether the table has the column. One that it has once is taken for granted.
local function has(column)
  if not found[column] then
    -- With the table's name before it: a lone name in quotes that is no column would be a text.
    found[column] = pcall(glyphcase.query, "SELECT u." .. quote(column) .. " FROM " .. TABLE .. " AS u LIMIT 0")
  end
  return found[column]
end

local function is_ours(table_name)
  return table_name:lower() == config.table:lower()
end

---------------------------------------------------------------------------------------------------- tidying

local function trimmed(value)
  if type(value) ~= "string" then return value end
  return value:match("^%s*(.*%S)") or "" -- one pass, however long the text
end

local function tidy(data)
  if has(columns.email) then
    local email = trimmed(data[columns.email])
    data[columns.email] = type(email) == "string" and email:lower() or email
  end
  if has(columns.name) then data[columns.name] = trimmed(data[columns.name]) end
end

local function problem_of_password(password)
  if type(password) ~= "string" or not utf8.len(password) then return "a password is a text" end
  if utf8.len(password) < config.min_password then return "a password has " .. config.min_password .. " letters or more" end
  if #password > MAX_PASSWORD then return "a password has at most " .. MAX_PASSWORD .. " bytes" end
  if password:find("\0", 1, true) then return "a password contains no zero byte" end
  if not has(columns.password_hash) then
    return string.format('a %s was given, and "%s" has no column "%s" for its hash', config.password, config.table, columns.password_hash)
  end
end

-- Puts the hash in the place of the password; returns why it cannot be done.
local function hash_password(data)
  local password = data[config.password]
  if password == nil then return nil end
  local problem = problem_of_password(password)
  if problem then return problem end
  data[config.password] = nil
  data[columns.password_hash] = crypto.bcrypt(password)
end

-- The slug itself, or with the next free number behind it: ada, ada-2, ada-3.
local function free_slug(slug)
  local column = quote(columns.slug)
  local taken = glyphcase.queryScalar("SELECT 1 FROM " .. TABLE .. " WHERE " .. column .. " = ?", slug)
  if not taken then return slug end
  -- A range, which an index serves: digits come after "/" and before ":". Longer ones are not taken for numbers.
  local last = glyphcase.queryScalar(
    "SELECT max(CAST(substr(" .. column .. ", ?1) AS INTEGER)) FROM " .. TABLE .. " WHERE " .. column .. " > ?2 AND " .. column
      .. " < ?3 AND substr(" .. column .. ", ?1) NOT GLOB '*[^0-9]*' AND length(substr(" .. column .. ", ?1)) < 10",
    { utf8.len(slug) + 2, slug .. "-/", slug .. "-:" }
  )
  return slug .. "-" .. math.max(last or 1, 1) + 1
end

local function add_slug(data)
  local name = data[columns.name]
  if data[columns.slug] ~= nil or type(name) ~= "string" or not utf8.len(name) or not has(columns.slug) then return end
  data[columns.slug] = free_slug(slugs.of(name, "user"))
end

function before_insert(table_name, data)
  if not is_ours(table_name) then return end
  tidy(data)
  local problem = hash_password(data)
  if problem then return false, problem end
  add_slug(data)
  return data
end

-- A slug stays when the name changes: addresses should not.
function before_update(table_name, _, data)
  if not is_ours(table_name) then return end
  tidy(data)
  local problem = hash_password(data)
  if problem then return false, problem end
  return data
end

---------------------------------------------------------------------------------------------------- checking

local function problem_of_email(email)
  if type(email) ~= "string" then return "an e-mail address is needed" end
  if #email > MAX_EMAIL or not utf8.len(email) or email:find("[%c%s]") or not email:find("^[^@]+@[^@]+$") then
    return string.format('"%s" is not an e-mail address', email:sub(1, 100))
  end
end

local function problem_of_name(name)
  if type(name) ~= "string" then return "a name is needed" end
  if not utf8.len(name) then return "a name is a text in UTF-8" end
  if utf8.len(name) < config.min_name then return "a name has " .. config.min_name .. " letters or more" end
end

-- Only what is written is looked at: an update need not mention every column.
local function check(table_name, data, is_new)
  if not is_ours(table_name) then return true end
  local email, name = data[columns.email], data[columns.name]
  local problem = (email ~= nil or is_new) and has(columns.email) and problem_of_email(email)
    or (name ~= nil or is_new) and has(columns.name) and problem_of_name(name)
  return not problem, problem
end

function validate_insert(table_name, data)
  return check(table_name, data, true)
end

function validate_update(table_name, _, data)
  return check(table_name, data, false)
end

---------------------------------------------------------------------------------------------------- asking

-- The key of the user with that e-mail address and password, or nil.
function verify(email, password)
  if type(email) ~= "string" or type(password) ~= "string" then error("verify(email, password): two texts are needed", 2) end
  local user = glyphcase.queryOne(
    "SELECT " .. quote(columns.id) .. " AS id, " .. quote(columns.password_hash) .. " AS hash FROM " .. TABLE .. " WHERE "
      .. quote(columns.email) .. " = ?",
    trimmed(email):lower()
  )
  local matches = crypto.bcrypt_verify(password, user and user.hash or NOBODY)
  return user and matches and user.id or nil
end

-- Says once a start what it does, and that it does nothing when there is no such table.
function on_activate()
  if not pcall(glyphcase.query, "SELECT 1 FROM " .. TABLE .. " LIMIT 0") then
    log.info(string.format('there is no table "%s" yet; nothing to do', config.table))
  end
end
