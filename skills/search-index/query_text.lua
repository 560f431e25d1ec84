-- Turns what a person types into an FTS5 query that cannot be wrong.

-- A letter or digit of any script; a "word" of punctuation alone would match nothing, and with it the whole query.
local function has_letters(word)
  return word:find("[%w\128-\255]") ~= nil
end

local function quoted(words)
  return '"' .. words:gsub('"', '""') .. '"'
end

local query_text = {}

-- Every word must occur; "several words" in quotes as they stand; wor* also as the beginning of a word. Nil when there is no word.
function query_text.expression(text)
  if type(text) ~= "string" then error("search: the text to look for must be a string, not " .. type(text), 3) end
  local parts = {}
  local function add(words, suffix)
    if has_letters(words) then parts[#parts + 1] = quoted(words) .. suffix end
  end
  local at = 1
  while at <= #text do
    local phrase, after = text:match('^%s*"([^"]*)"()', at)
    if phrase then
      add(phrase, "")
    else
      local word
      word, after = text:match("^%s*([^%s]+)()", at)
      if not word then break end
      local beginning = word:match("^(.-)%*+$")
      add(beginning or word, beginning and "*" or "")
    end
    at = after
  end
  if #parts > 0 then return table.concat(parts, " ") end
end

return query_text
