-- Tests the plugin in a real headless Neovim: keys go through its input queue, so modes, mappings, events and undo are
-- the editor's own. Run by editors/tests/run.sh, which sets
--   FT_EDITORS  this checkout's editors/        FT_LOG      what the scripted server received
--   FT_PROJECT  a cloned repository             FT_COMMAND  the server's command line as JSON
--   FT_PART     scripted or real
-- Nothing waits for a time: every wait is for a state, with a deadline that only a defect reaches.

local editors = os.getenv('FT_EDITORS')
vim.opt.runtimepath:prepend(editors .. '/neovim')
vim.opt.swapfile = false
vim.opt.expandtab = true
vim.opt.shiftwidth = 4
vim.opt.softtabstop = 4

local foretoken = require('foretoken')
local ghost = require('foretoken.ghost')
local text = require('foretoken.text')
local decode = vim.json and vim.json.decode or vim.fn.json_decode

local project = os.getenv('FT_PROJECT')
local deadline_ms = 60000

local function fail(message)
  io.stdout:write('not ok - ' .. message .. '\n')
  vim.cmd('cquit 1')
end

local function read(path)
  local file = assert(io.open(path, 'rb'))
  local bytes = file:read('*a')
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, 'wb'))
  file:write(bytes)
  file:close()
end

local function equal(found, expected, what)
  if not vim.deep_equal(found, expected) then
    error(('%s: expected %s, found %s'):format(what, vim.inspect(expected), vim.inspect(found)), 2)
  end
end

-- ------------------------------------------------------------------------------- one test after another

local function wait(what, condition)
  local start = vim.loop.now()
  while true do
    local value = condition()
    if value then return value end
    if vim.loop.now() - start > deadline_ms then
      error('waited in vain for ' .. what .. '; ghost text: ' .. vim.inspect((ghost.shown(0))) .. '; buffer: '
        .. vim.inspect(vim.api.nvim_buf_get_lines(0, 0, -1, false)), 2)
    end
    local thread = coroutine.running()
    vim.defer_fn(function() coroutine.resume(thread) end, 5)
    coroutine.yield()
  end
end

-- Types, and waits until Neovim has taken every key.
local key_count = 0
local function keys(typed)
  key_count = key_count + 1
  local marker = key_count
  vim.api.nvim_input(typed)
  -- The mark comes out of the same queue behind the keys.
  vim.api.nvim_input(('<Cmd>let g:ft_keys = %d<CR>'):format(marker))
  wait('the keys ' .. typed, function() return vim.g.ft_keys == marker end)
end

local function sees(expected)
  wait('ghost text ' .. vim.inspect(expected), function() return ghost.shown(0) == expected end)
end

local function sees_nothing()
  wait('no ghost text', function() return ghost.shown(0) == nil end)
end

local function sees_something()
  return wait('ghost text', function() return ghost.shown(0) end)
end

local function log()
  local messages = {}
  for line in read(os.getenv('FT_LOG')):gmatch('[^\n]+') do messages[#messages + 1] = decode(line) end
  return messages
end

local function logged(method, condition)
  local count = 0
  for _, message in ipairs(log()) do
    if message.method == method and (not condition or condition(message)) then count = count + 1 end
  end
  return count
end

local function bytes()
  vim.cmd('silent noautocmd write')
  return read(vim.api.nvim_buf_get_name(0))
end

-- Opens a new file with these bytes and goes to the end of its line `row`.
local function open(name, content, row)
  vim.cmd('stopinsert')
  wait('normal mode', function() return vim.api.nvim_get_mode().mode == 'n' end)
  local path = project .. '/' .. name
  write(path, content)
  vim.cmd('edit! ' .. vim.fn.fnameescape(path))
  vim.api.nvim_win_set_cursor(0, { row or vim.api.nvim_buf_line_count(0), 0 })
end

-- ------------------------------------------------------------------------------------- scripted answers

local tests = {}
local function test(name, body) tests[#tests + 1] = { name = name, body = body } end

local function scripted()
  test('words and lines are cut as everywhere', function()
    for _, case in ipairs(decode(read(editors .. '/tests/pieces.json'))) do
      equal(text.word(case.text), case.word, 'word of ' .. vim.inspect(case.text))
      equal(text.line(case.text), case.line, 'line of ' .. vim.inspect(case.text))
    end
  end)

  test('columns in UTF-8, UTF-16 and UTF-32', function()
    local line = 'aé名😀b'
    equal(text.units(line, #line, 'utf-16'), 6, 'units')
    equal(text.units(line, #line, 'utf-32'), 5, 'units')
    equal(text.units(line, #line, 'utf-8'), 11, 'units')
    for _, encoding in ipairs({ 'utf-8', 'utf-16', 'utf-32' }) do
      for _, column in ipairs({ 0, 1, 3, 6, 10, 11 }) do
        equal(text.bytes(line, text.units(line, column, encoding), encoding), column, encoding)
      end
    end
  end)

  test('accepts whole; undo takes exactly that back', function()
    open('whole.py', 'x = 1\n')
    keys('owhole = ')
    sees('width * height')
    equal(bytes(), 'x = 1\nwhole = \n', 'ghost text is not in the file')
    keys('<Tab>')
    equal(bytes(), 'x = 1\nwhole = width * height\n', 'accepted')
    wait('the command', function() return logged('workspace/executeCommand') == 1 end)
    keys('  # typed<Esc>u')
    equal(bytes(), 'x = 1\nwhole = width * height\n', 'first undo: what was typed after')
    keys('u')
    equal(bytes(), 'x = 1\nwhole = \n', 'second undo: the acceptance')
    keys('u')
    equal(bytes(), 'x = 1\n', 'third undo: what was typed before')
    keys('<C-r><C-r>')
    equal(bytes(), 'x = 1\nwhole = width * height\n', 'redo')
  end)

  test('errors of the server are told, and nothing else', function()
    local messages = vim.api.nvim_exec('messages', true)
    equal(messages:find('scripted trouble', 1, true) ~= nil, true, 'the error')
    equal(messages:find('scripted news', 1, true), nil, 'the news')
  end)

  test('accepts by word and by line', function()
    open('parts.py', '')
    keys('iwhole = ')
    sees('width * height')
    keys('<C-Right>')
    sees(' * height')
    equal(bytes(), 'whole = width\n', 'one word')
    keys('<C-Right>')
    sees(' height')
    keys('<C-Down>')
    sees_nothing()
    equal(bytes(), 'whole = width * height\n', 'the rest of the line')
    local lengths = {}
    for _, message in ipairs(log()) do
      if message.method == 'textDocument/didPartiallyAcceptCompletion' then
        lengths[#lengths + 1] = message.params.acceptedLength
      end
    end
    equal(lengths, { 5, 7 }, 'lengths told')
    keys('<Esc>u')
    equal(bytes(), 'whole = width *\n', 'each acceptance is a step of its own')
  end)

  test('several lines, characters of all widths, tabs: byte for byte', function()
    open('wide.py', '# é\n')
    vim.opt_local.expandtab = false
    local all = 'naïve_名前 + 1\n\tsecond("😀")\n    third = 3'
    keys('os = "😀é" + ')
    wait('ghost text', function() return ghost.shown(0) end)
    local shown, row, column = ghost.shown(0)
    equal(shown, (all:gsub('\t', (' '):rep(8))), 'tabs as wide as they are')
    equal({ row, column }, { 1, #'s = "😀é" + ' }, 'place')
    keys('<C-Right>')
    sees(' + 1\n        second("😀")\n    third = 3')
    keys('<C-Down>')
    sees('\n        second("😀")\n    third = 3')
    keys('<C-Down>')
    sees('\n    third = 3')
    keys('<Tab>')
    sees_nothing()
    equal(bytes(), '# é\ns = "😀é" + ' .. all .. '\n', 'bytes')
    local request
    for _, message in ipairs(log()) do
      if message.method == 'textDocument/inlineCompletion' then request = message end
    end
    keys('<Esc>uuuuu')
    equal(bytes(), '# é\n', 'four acceptances and what was typed: five steps')
  end)

  test('the column sent counts UTF-16 units', function()
    local found = logged('textDocument/inlineCompletion', function(message)
      return message.params.position.line == 1 and message.params.position.character == 12
    end)
    equal(found > 0, true, 'a request at character 12')
  end)

  test('typing along keeps the suggestion and asks nothing', function()
    open('along.py', '')
    keys('iwhole = ')
    sees('width * height')
    local before = logged('textDocument/inlineCompletion')
    keys('wid')
    sees('th * height')
    keys('<BS>')
    sees('dth * height')
    equal(logged('textDocument/inlineCompletion'), before, 'requests')
    keys('<Tab>')
    equal(bytes(), 'whole = width * height\n', 'accepted')
  end)

  test('typing something else takes it away at once', function()
    open('else.py', '')
    keys('iwhole = ')
    sees('width * height')
    keys('q')
    equal(ghost.shown(0), nil, 'ghost text')
    keys('<Esc>')
    equal(bytes(), 'whole = q\n', 'bytes')
  end)

  test('a suggestion that begins before the cursor', function()
    open('back.py', '')
    keys('iback = wi')
    sees(' + "😀"')
    keys('<Tab>')
    equal(bytes(), 'back = wi + "😀"\n', 'bytes')
  end)

  test('a suggestion that replaces what follows the cursor', function()
    open('drop.py', 'x = call)\n')
    keys('f)i(')
    wait('ghost text', function() return ghost.shown(0) end)
    equal((ghost.shown(0)), 'first, second)', 'ghost text')
    keys('<C-Right>')
    sees(', second)')
    keys('<Tab>')
    equal(bytes(), 'x = call(first, second)\n', 'bytes')
  end)

  test('another suggestion, and the first again', function()
    open('many.py', '')
    keys('imany = ')
    sees('one(1)')
    keys('<C-Up>')
    sees('two(2)')
    keys('<C-Up>')
    sees('three(3)')
    keys('<C-Up>')
    sees('one(1)')
    keys('<C-Up><Tab>')
    equal(bytes(), 'many = two(2)\n', 'bytes')
  end)

  test('the highlighted item of the completion menu is told', function()
    open('menu.py', 'width = widget\n')
    vim.opt.completeopt = 'menu,menuone,noinsert'
    -- The mark behind the keys would close the menu.
    vim.api.nvim_input('owi<C-x><C-n>')
    wait('the item', function()
      return logged('textDocument/inlineCompletion', function(message)
        local selected = message.params.context.selectedCompletionInfo
        return selected and selected.text:match('^wid') and selected.range.start.character == 0
          and selected.range['end'].character == 2
      end) > 0
    end)
    keys('<Esc>')
  end)

  test('dismissed stays dismissed until the text changes', function()
    open('dismiss.py', '')
    keys('iwhole = ')
    sees('width * height')
    local before = logged('textDocument/inlineCompletion')
    keys('<C-]>')
    sees_nothing()
    keys('<Tab>')
    equal(bytes(), 'whole =     \n', 'the key is itself again')
    keys('<Esc>')
    equal(logged('textDocument/inlineCompletion') <= before + 1, true, 'requests')
  end)

  test('leaving insert mode cancels the request', function()
    open('held.py', '')
    local asked = logged('textDocument/inlineCompletion')
    local cancelled = logged('$/cancelRequest')
    keys('inever = ')
    wait('the request', function() return logged('textDocument/inlineCompletion') > asked end)
    keys('<Esc>')
    wait('its cancellation', function() return logged('$/cancelRequest') > cancelled end)
  end)

  test('a newer request cancels the older one', function()
    open('newer.py', '')
    local asked = logged('textDocument/inlineCompletion')
    local cancelled = logged('$/cancelRequest')
    keys('inever = ')
    wait('the request', function() return logged('textDocument/inlineCompletion') > asked end)
    keys('<C-u>whole = ')
    sees('width * height')
    equal(logged('$/cancelRequest') > cancelled, true, 'the older one is cancelled')
  end)

  test('files with carriage returns keep them', function()
    open('carriage.py', 'x = 1\r\n')
    equal(vim.bo.fileformat, 'dos', 'file format')
    keys('ocarriage = ')
    sees('one\n    two')
    keys('<Tab>')
    equal(bytes(), 'x = 1\r\ncarriage = one\r\n    two\r\n', 'bytes')
  end)

  test('disabled is silent, enabled again asks', function()
    open('off.py', '')
    vim.cmd('Foretoken disable')
    local asked = logged('textDocument/inlineCompletion')
    keys('iwhole = ')
    equal(logged('textDocument/inlineCompletion'), asked, 'requests')
    vim.cmd('Foretoken enable')
    sees('width * height')
  end)

  test('the server knows every byte that the file has', function()
    open('sync.py', 'a = "é😀"\nb = 2\n')
    keys('ggOfirst<Esc>jA + "名"<Esc>Gdd:1copy $<CR>owhole = ')
    sees('width * height')
    keys('<C-Right><Tab><Esc>')
    local expected = bytes()
    -- What the server has is told with the next request, so one more is asked for.
    keys('owhole = ')
    expected = bytes()
    wait('the document', function()
      local messages = log()
      for index = #messages, 1, -1 do
        if messages[index].method == 'textDocument/inlineCompletion' then
          return messages[index].document == expected
        end
      end
    end)
  end)

  test('the server is told what was shown', function()
    equal(logged('textDocument/didShowCompletion') > 10, true, 'didShowCompletion')
  end)
end

-- ------------------------------------------------------------------- the daemon, on a cloned repository

local function real()
  test('sees a suggestion, accepts it by word, by line and whole', function()
    local path = project .. '/report.py'
    local original = read(path)
    vim.cmd('edit ' .. vim.fn.fnameescape(path))
    local row = vim.fn.search('^def widest') + 1
    vim.api.nvim_win_set_cursor(0, { row, 0 })
    local before = vim.api.nvim_buf_get_lines(0, 0, -1, false)
    local function with(lines)
      local after = vim.list_slice(before, row + 1)
      local all = vim.list_extend(vim.list_slice(before, 1, row), vim.list_extend(lines, after))
      return table.concat(all, '\n') .. '\n'
    end
    local typed = '    shared = shapes.inter'
    keys('o' .. 'shared = shapes.inter')
    local suggested = sees_something()
    equal(bytes(), with({ typed }), 'ghost text is not in the file')
    io.stdout:write('# suggested: ' .. vim.inspect(suggested) .. '\n')
    equal(#text.word(suggested) < #suggested, true, 'more than one word is suggested')

    keys('<C-Right>')
    local word = text.word(suggested)
    equal(bytes(), with(vim.split(typed .. word, '\n')), 'by word')
    sees(suggested:sub(#word + 1))
    keys('<Esc>u')
    equal(bytes(), with({ typed }), 'one undo')

    keys('A')
    sees(suggested)
    keys('<C-Down>')
    equal(bytes(), with(vim.split(typed .. text.line(suggested), '\n')), 'by line')
    keys('<Esc>u')
    equal(bytes(), with({ typed }), 'one undo')

    keys('A')
    sees(suggested)
    keys('<Tab>')
    equal(bytes(), with(vim.split(typed .. suggested, '\n')), 'whole')
    keys('<Esc>u')
    equal(bytes(), with({ typed }), 'one undo')
    keys('u')
    equal(bytes(), original, 'everything undone')
  end)

  test('a suggestion of several lines', function()
    local path = project .. '/shapes.py'
    local original = read(path)
    vim.cmd('edit! ' .. vim.fn.fnameescape(path))
    local row = vim.fn.search('^def union_rectangles') + 1
    vim.api.nvim_win_set_cursor(0, { row, 0 })
    keys('o' .. 'left = min(first.left, second.left)<CR>')
    local suggested = sees_something()
    io.stdout:write('# suggested: ' .. vim.inspect(suggested) .. '\n')
    local start = bytes()
    local place = start:find('second.left)\n', 1, true)
    keys('<Tab>')
    local after = bytes()
    keys('<Esc>u')
    equal(bytes(), start, 'one undo')
    local cursor_line = vim.api.nvim_win_get_cursor(0)[1]
    equal(#after - #start, #suggested, 'inserted bytes')
    equal(after:find(suggested, 1, true) ~= nil, true, 'inserted text')
    equal(place ~= nil and cursor_line > row, true, 'place')
    keys('u')
    equal(bytes(), original, 'everything undone')
  end)
end

local part = os.getenv('FT_PART')
if part == 'scripted' then scripted() else real() end
foretoken.setup({ command = decode(os.getenv('FT_COMMAND')), debounce = 5 })

local runner = coroutine.create(function()
  for _, each in ipairs(tests) do
    local ok, message = xpcall(each.body, function(error) return debug.traceback(error, 2) end)
    if not ok then return fail(each.name .. '\n' .. tostring(message)) end
    io.stdout:write('ok - ' .. each.name .. '\n')
  end
  io.stdout:write(('# %d passed in Neovim, %s\n'):format(#tests, part))
  vim.cmd('stopinsert')
  vim.schedule(function() vim.cmd('qall!') end)
end)
vim.defer_fn(function() assert(coroutine.resume(runner)) end, 0)
