-- Inline completion for Neovim 0.7 and later: asks while you type, shows the answer as ghost text, and puts it into
-- the buffer when you accept it, whole or in parts. Neovim 0.12 can do without this plugin: see the README.

local client = require('foretoken.client')
local ghost = require('foretoken.ghost')
local text = require('foretoken.text')

local M = {}

M.defaults = {
  command = { 'foretoken', 'serve' },
  -- Sent as initializationOptions: docs/settings.schema.json lists them.
  settings = vim.empty_dict(),
  -- Milliseconds without a key before the server is asked; it adds none of its own.
  debounce = 30,
  -- File types that are left alone.
  disabled_filetypes = { gitcommit = true, gitrebase = true, TelescopePrompt = true },
  -- false leaves a key unmapped.
  keys = {
    accept = '<Tab>',
    accept_word = '<C-Right>',
    accept_line = '<C-Down>',
    next = '<C-Up>',
    dismiss = '<C-]>',
  },
}

local options
local enabled = true
local timer
-- Counts what was scheduled and called off: a timer that has run out cannot be stopped any more.
local generation = 0

-- What is suggested, nil when nothing is:
--   buffer, row, column    where the suggestion begins: zero-based, bytes
--   items, index           what the server sent, and which of it is shown
--   before, behind         the line up to there, and what followed the cursor when it was asked for
--   dropped                how many bytes of `behind` an acceptance replaces
local suggestion
-- The request under way: id, key, kind.
local pending
-- Cursor and text that were asked for last or dismissed; they are not asked for again.
local last_key

local function stop_timer()
  generation = generation + 1
  if timer then timer:stop() end
end

local function cancel_request()
  if pending and pending.id then client.cancel(pending.id) end
  pending = nil
end

local function clear()
  if suggestion then
    ghost.clear(suggestion.buffer)
    suggestion = nil
  end
end

local function is_inserting()
  local mode = vim.api.nvim_get_mode().mode:sub(1, 1)
  return mode == 'i' or mode == 'R'
end

local function cursor()
  local place = vim.api.nvim_win_get_cursor(0)
  return place[1] - 1, place[2]
end

local function line_at(buffer, row)
  return vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ''
end

-- The item that the completion menu highlights and has not inserted: `selectedCompletionInfo` of the protocol,
-- and what is still to be typed of it.
local function selected_completion(buffer, row, column)
  if vim.fn.pumvisible() == 0 or not client.is_attached(buffer) then return nil end
  local info = vim.fn.complete_info({ 'selected', 'items' })
  local item = info.selected >= 0 and info.items[info.selected + 1]
  if not item or item.word == '' then return nil end
  local before = line_at(buffer, row):sub(1, column)
  for length = math.min(#item.word - 1, #before), 0, -1 do
    if before:sub(#before - length + 1) == item.word:sub(1, length) then
      return {
        range = {
          start = client.position(buffer, row, column - length),
          ['end'] = client.position(buffer, row, column),
        },
        text = item.word,
      }, item.word:sub(length + 1)
    end
  end
end

local function key_of(buffer)
  local row, column = cursor()
  local selected = selected_completion(buffer, row, column)
  return table.concat(
    { buffer, vim.api.nvim_buf_get_changedtick(buffer), row, column, selected and selected.text or '' }, ':')
end

-- What is left of the shown item at the cursor; nil when the text or the cursor went another way.
local function remaining()
  local s = suggestion
  if not s or s.buffer ~= vim.api.nvim_get_current_buf() then return nil end
  local row, column = cursor()
  if row < s.row or (row == s.row and column < s.column) then return nil end
  local first = line_at(s.buffer, s.row)
  if first:sub(1, s.column) ~= s.before then return nil end
  if line_at(s.buffer, row):sub(column + 1) ~= s.behind then return nil end
  local typed
  if row == s.row then
    typed = first:sub(s.column + 1, column)
  else
    local lines = vim.api.nvim_buf_get_lines(s.buffer, s.row, row + 1, false)
    lines[1] = lines[1]:sub(s.column + 1)
    lines[#lines] = lines[#lines]:sub(1, column)
    typed = table.concat(lines, '\n')
  end
  return text.rest(s.items[s.index].text, typed)
end

local function tell_shown()
  local item = suggestion.items[suggestion.index]
  if item.is_told then return end
  item.is_told = true
  client.notify('textDocument/didShowCompletion', { item = item.wire })
end

-- Shows what is left, or nothing. Whether something is shown.
local function draw()
  local rest = remaining()
  local row, column = cursor()
  local _, menu_rest = selected_completion(vim.api.nvim_get_current_buf(), row, column)
  -- What the completion menu highlights and what is suggested must not contradict each other.
  local is_other = menu_rest and rest and not text.rest(rest, menu_rest)
  if not rest or rest == '' or is_other then
    clear()
    return false
  end
  ghost.show(suggestion.buffer, row, column, rest, suggestion.dropped)
  tell_shown()
  return true
end

-- The server's items in this buffer's terms; those that this plugin cannot show are left out.
local function read_items(buffer, wire_items, row, column)
  local items, start, dropped = {}, nil, 0
  for _, wire in ipairs(wire_items) do
    local insert = type(wire.insertText) == 'table' and wire.insertText.value or wire.insertText
    local from, to = column, column
    local is_here = true
    if type(wire.range) == 'table' then
      local from_row, to_row
      from_row, from = client.place(buffer, wire.range.start)
      to_row, to = client.place(buffer, wire.range['end'])
      is_here = from_row == row and to_row == row and from <= column and to >= column
    end
    local is_like_others = start == nil or (start == from and dropped == to - column)
    if is_here and is_like_others and type(insert) == 'string' and insert ~= '' then
      start, dropped = from, to - column
      items[#items + 1] = { text = insert:gsub('\r\n', '\n'), wire = wire }
    end
  end
  return items, start, dropped
end

local function receive(request, wire_items)
  if pending ~= request then return end
  pending = nil
  if not is_inserting() or vim.api.nvim_get_current_buf() ~= request.buffer then return end
  local line = line_at(request.buffer, request.row)
  -- What was typed since is after the asked place; the columns before it are as they were.
  if line:sub(1, request.column) ~= request.before then return end
  local items, start, dropped = read_items(request.buffer, wire_items, request.row, request.column)
  if #items == 0 then
    -- Somebody who asked for another one keeps the one there is.
    if request.kind == 2 then clear() end
    return
  end
  local shown = request.kind == 1 and suggestion and remaining()
  clear()
  suggestion = {
    buffer = request.buffer, row = request.row, column = start, items = items, index = 1,
    before = line:sub(1, start), behind = request.behind, dropped = dropped,
  }
  -- The next one is not the one that was there.
  if shown then
    for index = 1, #items do
      suggestion.index = index
      if remaining() and remaining() ~= shown then break end
    end
  end
  draw()
end

-- Asks the server; kind 1 is the user's wish, 2 while typing.
local function ask(kind)
  local buffer = vim.api.nvim_get_current_buf()
  if not client.is_attached(buffer) or not is_inserting() then return end
  -- The answer to an earlier request may be there by now.
  if kind == 2 and M.is_visible() then return end
  cancel_request()
  local row, column = cursor()
  local line = line_at(buffer, row)
  local request = {
    buffer = buffer, row = row, column = column, kind = kind,
    before = line:sub(1, column), behind = line:sub(column + 1),
  }
  last_key = key_of(buffer)
  pending = request
  local context = { triggerKind = kind, selectedCompletionInfo = (selected_completion(buffer, row, column)) }
  request.id = client.ask(buffer, context, row, column, function(items) receive(request, items) end)
  if not request.id then pending = nil end
end

local function is_wanted(buffer)
  return enabled and vim.bo[buffer].buftype == '' and vim.bo[buffer].modifiable
    and vim.api.nvim_buf_get_name(buffer) ~= '' and not options.disabled_filetypes[vim.bo[buffer].filetype]
    and vim.b[buffer].foretoken_disabled ~= true
end

-- The text or the cursor changed: keeps what still fits, asks for what does not.
local function changed()
  local buffer = vim.api.nvim_get_current_buf()
  if not is_wanted(buffer) then return clear() end
  if draw() then
    last_key = key_of(buffer)
    cancel_request()
    return stop_timer()
  end
  if key_of(buffer) == last_key then return end
  cancel_request()
  stop_timer()
  timer = timer or vim.loop.new_timer()
  local scheduled = generation
  timer:start(options.debounce, 0, vim.schedule_wrap(function()
    if scheduled == generation then ask(2) end
  end))
end

-- Inserts the beginning of what is left. Called between two undo breaks, in insert mode.
function M._insert(part)
  local rest = remaining()
  if not rest or rest == '' then return end
  local piece = part == 'word' and text.word(rest) or part == 'line' and text.line(rest) or rest
  local s, row, column = suggestion, cursor()
  local is_whole = piece == rest
  local lines = vim.split(piece, '\n', { plain = true })
  vim.api.nvim_buf_set_text(s.buffer, row, column, row, column + (is_whole and s.dropped or 0), lines)
  local end_column = #lines[#lines] + (#lines == 1 and column or 0)
  vim.api.nvim_win_set_cursor(0, { row + #lines, end_column })
  local item = s.items[s.index]
  if is_whole then
    clear()
    client.execute(item.wire.command)
  else
    local taken = item.text:sub(1, #item.text - #rest + #piece)
    client.notify('textDocument/didPartiallyAcceptCompletion', {
      item = item.wire, acceptedLength = text.units(taken, #taken, 'utf-16'),
    })
  end
  -- The rest is drawn by the event of this change.
end

-- Keys that accept in a step of its own for undo, whatever was typed before and after.
local function keys_for(part)
  return '<C-g>u<Cmd>lua require("foretoken")._insert("' .. part .. '")<CR><C-g>u'
end

local function accept(part)
  local rest = remaining()
  if not rest or rest == '' then return false end
  local keys = vim.api.nvim_replace_termcodes(keys_for(part), true, false, true)
  vim.api.nvim_feedkeys(keys, 'ni', false)
  return true
end

-- Each says whether there was something to accept, so that a mapping of yours can do something else.
function M.accept() return accept('whole') end
function M.accept_word() return accept('word') end
function M.accept_line() return accept('line') end

-- Whether a suggestion is on the screen.
function M.is_visible()
  local rest = remaining()
  return rest ~= nil and rest ~= ''
end

-- Shows another suggestion; asks for several where there is one.
function M.next()
  if suggestion and #suggestion.items > 1 then
    for _ = 1, #suggestion.items do
      suggestion.index = suggestion.index % #suggestion.items + 1
      -- Items that do not go on from what was typed since are passed over.
      if remaining() and remaining() ~= '' then break end
    end
    draw()
  else
    ask(1)
  end
end

-- Takes the suggestion away until the text changes.
function M.dismiss()
  local was_visible = M.is_visible()
  stop_timer()
  cancel_request()
  clear()
  last_key = key_of(vim.api.nvim_get_current_buf())
  return was_visible
end

function M.enable() enabled = true; changed() end

function M.disable()
  enabled = false
  stop_timer()
  cancel_request()
  clear()
end

-- Nothing for so many minutes; 0 ends it.
function M.snooze(minutes)
  M.dismiss()
  client.execute({ command = 'foretoken.snooze', arguments = { minutes or 10 } })
end

-- For status lines: {kind, message, busy} as the server reported last.
function M.status() return client.status end

local function map_key(key, part, call)
  if not key then return end
  vim.keymap.set('i', key, function()
    if not M.is_visible() then return key end
    return part and keys_for(part) or ('<Cmd>lua require("foretoken").' .. call .. '()<CR>')
  end, { expr = true, silent = true, replace_keycodes = true, desc = 'Foretoken' })
end

local function map_keys(keys)
  map_key(keys.accept, 'whole')
  map_key(keys.accept_word, 'word')
  map_key(keys.accept_line, 'line')
  map_key(keys.dismiss, nil, 'dismiss')
  if keys.next then
    vim.keymap.set('i', keys.next, '<Cmd>lua require("foretoken").next()<CR>', { silent = true, desc = 'Foretoken' })
  end
end

local function attach(buffer)
  if is_wanted(buffer) and vim.api.nvim_buf_is_loaded(buffer) then
    client.attach(buffer, options, function()
      if is_inserting() then changed() end
    end)
  end
end

local function define_command()
  local actions = {
    enable = M.enable, disable = M.disable,
    snooze = function(minutes) M.snooze(tonumber(minutes)) end,
    status = function() print(('%s %s'):format(client.status.kind, client.status.message or '')) end,
  }
  vim.api.nvim_create_user_command('Foretoken', function(call)
    local action = actions[call.fargs[1]]
    if not action then return vim.notify('Foretoken: enable, disable, snooze or status', vim.log.levels.ERROR) end
    action(call.fargs[2])
  end, { nargs = '+', complete = function() return { 'disable', 'enable', 'snooze', 'status' } end })
end

function M.setup(user_options)
  options = vim.tbl_deep_extend('force', M.defaults, user_options or {})
  vim.api.nvim_set_hl(0, ghost.highlight, { default = true, fg = '#808080', ctermfg = 8, italic = true })
  local group = vim.api.nvim_create_augroup('Foretoken', { clear = true })
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, callback = callback })
  end
  on({ 'BufEnter', 'FileType' }, function(event) attach(event.buf) end)
  on({ 'InsertEnter' }, function(event) attach(event.buf); changed() end)
  on({ 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, changed)
  on({ 'CompleteChanged' }, vim.schedule_wrap(changed))
  on({ 'InsertLeave', 'BufLeave' }, function()
    M.dismiss()
    last_key = nil
  end)
  define_command()
  map_keys(options.keys)
  attach(vim.api.nvim_get_current_buf())
end

return M
