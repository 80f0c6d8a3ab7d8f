-- Text alone: columns in the units of the protocol, what of a suggestion is still to come, and its next word or
-- line. Knows no buffers, no windows and no server.

local M = {}

-- The number of bytes of the UTF-8 character that begins with `byte`; 1 for a stray continuation byte.
local function character_length(byte)
  if byte >= 0xF0 then return 4 end
  if byte >= 0xE0 then return 3 end
  if byte >= 0xC0 then return 2 end
  return 1
end

-- How many units of `encoding` ('utf-8', 'utf-16' or 'utf-32') the first `byte_count` bytes of `line` are.
function M.units(line, byte_count, encoding)
  if encoding == 'utf-8' then return math.min(byte_count, #line) end
  local units, index = 0, 1
  while index <= byte_count and index <= #line do
    local length = character_length(line:byte(index))
    units = units + ((encoding == 'utf-16' and length == 4) and 2 or 1)
    index = index + length
  end
  return units
end

-- How many bytes of `line` its first `units` units of `encoding` are. Beyond the end is the end.
function M.bytes(line, units, encoding)
  if encoding == 'utf-8' then return math.min(units, #line) end
  local index = 1
  while units > 0 and index <= #line do
    local length = character_length(line:byte(index))
    units = units - ((encoding == 'utf-16' and length == 4) and 2 or 1)
    index = index + length
  end
  return math.min(index - 1, #line)
end

-- What follows `typed` in `text`; nil when the text goes on otherwise.
function M.rest(text, typed)
  if text:sub(1, #typed) ~= typed then return nil end
  return text:sub(#typed + 1)
end

-- The beginning of `text` up to the end of its first word: white space, then letters, digits and underscores, or
-- else one run of other characters. Bytes of characters outside ASCII count as letters.
function M.word(text)
  local blank = text:match('^%s*')
  local rest = text:sub(#blank + 1)
  local word = rest:match('^[%w_\128-\255]+') or rest:match('^[^%w_%s\128-\255]+') or ''
  return blank .. word
end

-- The beginning of `text` up to the end of its first line that is not empty, without the line break after it.
function M.line(text)
  return text:match('^\n*[^\n]*')
end

return M
