-- Tests the lines that `foretoken setup neovim-builtin` prints, in a Neovim that has vim.lsp.inline_completion (0.12). Run
-- like test.lua beside it.

local decode = vim.json.decode
local project, deadline_ms = os.getenv('FT_PROJECT'), 60000
local is_scripted = os.getenv('FT_PART') == 'scripted'
vim.opt.swapfile = false
vim.cmd('filetype on')

-- What setup prints, with the test's command.
vim.lsp.config('foretoken', { cmd = decode(os.getenv('FT_COMMAND')), root_markers = { '.git' } })
vim.lsp.enable('foretoken')
vim.lsp.inline_completion.enable()
vim.keymap.set('i', '<Tab>', function()
  if not vim.lsp.inline_completion.get() then return '<Tab>' end
end, { expr = true })
vim.keymap.set('i', '<C-Up>', function() vim.lsp.inline_completion.select() end)

local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')

local function ghost()
  local mark = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })[1]
  if not mark then return nil end
  local text = ''
  for _, chunk in ipairs(mark[4].virt_text or {}) do text = text .. chunk[1] end
  return text
end

local function wait(what, condition)
  local start = vim.uv.now()
  while not condition() do
    if vim.uv.now() - start > deadline_ms then
      error('waited in vain for ' .. what .. '; ghost text: ' .. vim.inspect(ghost()) .. '; buffer: '
        .. vim.inspect(vim.api.nvim_buf_get_lines(0, 0, -1, false)))
    end
    local thread = coroutine.running()
    vim.defer_fn(function() coroutine.resume(thread) end, 5)
    coroutine.yield()
  end
end

local function bytes()
  vim.cmd('silent noautocmd write')
  local file = assert(io.open(vim.api.nvim_buf_get_name(0), 'rb'))
  local text = file:read('*a')
  file:close()
  return text
end

local function check(typed, shown, expected)
  vim.cmd('edit ' .. project .. '/builtin.py')
  wait('the server', function() return #vim.lsp.get_clients({ bufnr = 0, name = 'foretoken' }) == 1 end)
  vim.api.nvim_input(typed)
  wait('ghost text', function() return (ghost() or ''):find(shown, 1, true) end)
  vim.api.nvim_input('<Tab>')
  wait('the text', function() return bytes():find(expected, 1, true) end)
  io.stdout:write('ok - accepts whole\n')
end

local runner = coroutine.create(function()
  local ok, message = xpcall(function()
    if is_scripted then
      check('iwhole = ', 'width * height', 'whole = width * height\n')
    else
      check('iimport shapes\n\nfirst = shapes.Rect', 'angle', 'first = shapes.Rectangle')
    end
  end, debug.traceback)
  if not ok then
    io.stdout:write('not ok - built in\n' .. tostring(message) .. '\n')
    return vim.cmd('cquit 1')
  end
  io.stdout:write('# 1 passed in Neovim, built in, ' .. os.getenv('FT_PART') .. '\n')
  vim.cmd('stopinsert')
  vim.schedule(function() vim.cmd('qall!') end)
end)
vim.defer_fn(function() assert(coroutine.resume(runner)) end, 0)
