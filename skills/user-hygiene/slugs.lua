-- Makes the part of an address that stands for a name: "Zoë  O’Neill" becomes zoe-oneill.

local slugs = {}

local MAX_LETTERS = 60
-- More of a name is not looked at.
local MAX_NAME = 500

-- Latin letters with marks, by the plain letters they are written with.
local PLAIN = {}
for plain, letters in pairs({
  a = "àáâãåāăąÀÁÂÃÅĀĂĄ", ae = "äæÄÆ", c = "çćĉċčÇĆĈĊČ", d = "ďđðĎĐÐ", e = "èéêëēĕėęěÈÉÊËĒĔĖĘĚ", g = "ĝğġģĜĞĠĢ", h = "ĥħĤĦ",
  i = "ìíîïĩīĭįıÌÍÎÏĨĪĬĮİ", j = "ĵĴ", k = "ķĶ", l = "ĺļľŀłĹĻĽĿŁ", n = "ñńņňÑŃŅŇ", o = "òóôõøōŏőÒÓÔÕØŌŎŐ", oe = "öœÖŒ",
  r = "ŕŗřŔŖŘ", s = "śŝşšșŚŜŞŠȘ", ss = "ßẞ", t = "ţťŧțŢŤŦȚ", th = "þÞ", u = "ùúûũūŭůűųÙÚÛŨŪŬŮŰŲ", ue = "üÜ", w = "ŵŴ",
  y = "ýÿŷÝŸŶ", z = "źżžŹŻŽ",
}) do
  for _, code in utf8.codes(letters) do PLAIN[code] = plain end
end

-- Punctuation, spaces, symbols and emoji. What is left above ASCII are letters of other scripts, which stay as they are.
local function is_separator(code)
  return code < 0xC0 or code == 0xD7 or code == 0xF7 or (code >= 0x2000 and code < 0x2C00) or (code >= 0x3000 and code <= 0x3020)
    or (code >= 0xE000 and code <= 0xF8FF) or (code >= 0xFE00 and code <= 0xFE6F) or code >= 0x1F000
end

local function letter_of(code)
  local character = utf8.char(code)
  if code < 0x80 and character:find("%w") then return character:lower() end
  if PLAIN[code] then return PLAIN[code] end
  return not is_separator(code) and character or nil
end

-- `name` must be valid UTF-8. A name without any letter gives `otherwise`.
function slugs.of(name, otherwise)
  local parts, count, gap = {}, 0, false
  local last = utf8.offset(name, MAX_NAME + 1)
  for _, code in utf8.codes(last and name:sub(1, last - 1) or name) do
    if code == 0x27 or code == 0x2019 then goto continue end -- an apostrophe parts no word
    local letter = letter_of(code)
    if letter and count < MAX_LETTERS then
      parts[#parts + 1] = (gap and count > 0 and "-" or "") .. letter
      count = count + 1
    end
    gap = letter == nil
    ::continue::
  end
  return count > 0 and table.concat(parts) or otherwise
end

return slugs
