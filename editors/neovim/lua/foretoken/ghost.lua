-- Ghost text: how a suggestion looks before it is accepted. One extmark per buffer, never in its text.

local M = {}

local namespace = vim.api.nvim_create_namespace('foretoken')
-- Before 0.10 virtual text cannot push the line aside: the rest of the line is drawn again behind it.
local has_inline = vim.fn.has('nvim-0.10') == 1

M.highlight = 'ForetokenGhost'

-- Tabs as the buffer shows them: virtual text has no tab stops of its own.
local function expand_tabs(text, column, tabstop)
  local out = {}
  for before, tab in text:gmatch('([^\t]*)(\t?)') do
    out[#out + 1] = before
    column = column + vim.fn.strdisplaywidth(before)
    if tab ~= '' then
      local width = tabstop - column % tabstop
      out[#out + 1] = (' '):rep(width)
      column = column + width
    end
  end
  return table.concat(out)
end

-- Shows `text` at the zero-based `row` and byte `column`; `dropped` bytes after it would be replaced.
function M.show(buffer, row, column, text, dropped)
  M.clear(buffer)
  local line = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ''
  local tabstop = vim.bo[buffer].tabstop
  local before = vim.fn.strdisplaywidth(line:sub(1, column))
  local lines = vim.split(text, '\n', { plain = true })
  for index, part in ipairs(lines) do
    lines[index] = expand_tabs(part, index == 1 and before or 0, tabstop)
  end
  local behind = line:sub(column + 1 + dropped)
  local first = { { lines[1], M.highlight } }
  local options = { virt_text = first, hl_mode = 'combine' }
  if #lines == 1 and behind == '' and dropped == 0 then
    options.virt_text_pos = 'overlay'
  elseif #lines == 1 and has_inline then
    options.virt_text_pos = 'inline'
  else
    -- The rest of the line goes behind the ghost text's last line and is covered where it stands.
    local shown = expand_tabs(behind, before + vim.fn.strdisplaywidth(lines[1]), tabstop)
    local covered = vim.fn.strdisplaywidth(line:sub(column + 1), before)
    if #lines == 1 then
      local gap = covered - vim.fn.strdisplaywidth(lines[1] .. shown)
      first[2] = { shown .. (' '):rep(gap), 'Normal' }
    elseif covered > 0 then
      first[2] = { (' '):rep(covered - vim.fn.strdisplaywidth(lines[1])), 'Normal' }
    end
    options.virt_text_pos = 'overlay'
  end
  if #lines > 1 then
    options.virt_lines = {}
    for index = 2, #lines do
      options.virt_lines[index - 1] = { { lines[index], M.highlight } }
    end
    if behind ~= '' then
      table.insert(options.virt_lines[#lines - 1], { behind, 'Normal' })
    end
  end
  vim.api.nvim_buf_set_extmark(buffer, namespace, row, column, options)
end

function M.clear(buffer)
  if vim.api.nvim_buf_is_valid(buffer) then
    vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  end
end

-- What is on the screen, as text, nil when there is nothing. For tests and status lines.
function M.shown(buffer)
  local mark = vim.api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { details = true })[1]
  if not mark then return nil end
  local function ghost(chunks)
    local text = ''
    for _, chunk in ipairs(chunks or {}) do
      if chunk[2] == M.highlight then text = text .. chunk[1] end
    end
    return text
  end
  local lines = { ghost(mark[4].virt_text) }
  for _, chunks in ipairs(mark[4].virt_lines or {}) do
    lines[#lines + 1] = ghost(chunks)
  end
  return table.concat(lines, '\n'), mark[2], mark[3]
end

return M
