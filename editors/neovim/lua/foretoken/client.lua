-- The connection to `foretoken serve`: one process for all buffers, by Neovim's own LSP client, and what differs
-- between the releases of that client (0.7 to 0.12).

local text = require('foretoken.text')

local M = {}

local client_id
-- The last `didChangeStatus` of the server.
M.status = { kind = 'Inactive', message = '', busy = false }

local function is_method_style() return vim.fn.has('nvim-0.11') == 1 end

local function get()
  local client = client_id and vim.lsp.get_client_by_id(client_id)
  if not client or client.is_stopped(client) then return nil end
  return client
end

local function call(client, name, ...)
  if is_method_style() then return client[name](client, ...) end
  return client[name](...)
end

-- The folder with .git (a file in linked work trees) above `path`, else the file's own folder.
local function root_of(path)
  local folder = vim.fn.fnamemodify(path, ':p:h')
  local found = vim.fn.finddir('.git', vim.fn.fnameescape(folder) .. ';')
  if found == '' then found = vim.fn.findfile('.git', vim.fn.fnameescape(folder) .. ';') end
  if found == '' then return folder end
  return vim.fn.fnamemodify(found, ':p'):gsub('/$', ''):gsub('/%.git$', '')
end

local function capabilities()
  local result = vim.lsp.protocol.make_client_capabilities()
  result.textDocument.inlineCompletion = { dynamicRegistration = false }
  return result
end

local has_complained = false

-- Whether the program is there; says once that it is not.
local function is_installed(program)
  if vim.fn.executable(program) == 1 then return true end
  if not has_complained then
    has_complained = true
    vim.notify('Foretoken: ' .. program .. ' is not in PATH; see command in setup()', vim.log.levels.WARN)
  end
  return false
end

-- Starts the server when there is none and tells it about the buffer; `ready` is called when it knows the buffer.
function M.attach(buffer, options, ready)
  if not is_installed(options.command[1]) then return end
  local client = get()
  if not client then
    local root = root_of(vim.api.nvim_buf_get_name(buffer))
    local start = vim.lsp.start_client
    -- 0.11 deprecates start_client and has start, which can do without attaching.
    if is_method_style() then
      start = function(config)
        return vim.lsp.start(config, { attach = false, reuse_client = function() return false end })
      end
    end
    client_id = start({
      name = 'foretoken',
      cmd = options.command,
      root_dir = root,
      workspace_folders = { { uri = vim.uri_from_fname(root), name = vim.fn.fnamemodify(root, ':t') } },
      capabilities = capabilities(),
      init_options = options.settings,
      flags = { allow_incremental_sync = true },
      handlers = {
        -- Errors only; the rest is in the log of Neovim's client.
        ['window/logMessage'] = function(_, params)
          if params.type == 1 then
            vim.schedule(function() vim.notify('Foretoken: ' .. params.message, vim.log.levels.ERROR) end)
          end
        end,
        didChangeStatus = function(_, status)
          M.status = status or M.status
          vim.schedule(function() vim.cmd('silent! redrawstatus') end)
        end,
      },
      -- After the server knows the buffer.
      on_attach = vim.schedule_wrap(ready),
      on_exit = function() client_id = nil end,
    })
  end
  if client_id and not vim.lsp.buf_is_attached(buffer, client_id) then
    vim.lsp.buf_attach_client(buffer, client_id)
  end
end

-- Whether the server answers and knows the buffer.
function M.is_attached(buffer)
  local client = get()
  return client ~= nil and client.initialized == true and vim.lsp.buf_is_attached(buffer, client_id)
end

-- Where in `buffer` a position of the server is: zero-based row and byte column.
function M.place(buffer, position)
  local line = vim.api.nvim_buf_get_lines(buffer, position.line, position.line + 1, false)[1] or ''
  return position.line, text.bytes(line, position.character, get().offset_encoding)
end

function M.position(buffer, row, column)
  local line = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ''
  return { line = row, character = text.units(line, column, get().offset_encoding) }
end

-- Asks; `done(items)` is called once, unless the request is cancelled. Returns the request's id, nil when it could
-- not be sent.
function M.ask(buffer, context, row, column, done)
  local client = get()
  if not client then return nil end
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buffer) },
    position = M.position(buffer, row, column),
    context = context,
  }
  local sent, id = call(client, 'request', 'textDocument/inlineCompletion', params, function(error, result)
    local items = not error and type(result) == 'table' and (result.items or result) or {}
    done(items)
  end, buffer)
  return sent and id or nil
end

function M.cancel(id)
  local client = get()
  if client then call(client, 'cancel_request', id) end
end

function M.notify(method, params)
  local client = get()
  if client then call(client, 'notify', method, params) end
end

-- Runs a command on the server; nobody waits for the answer.
function M.execute(command)
  local client = get()
  if not client or type(command) ~= 'table' then return end
  local params = { command = command.command, arguments = command.arguments }
  call(client, 'request', 'workspace/executeCommand', params, function() end)
end

function M.stop()
  local client = get()
  if client then call(client, 'stop') end
end

return M
