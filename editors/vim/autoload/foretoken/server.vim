" The connection to `foretoken serve`: one process for all buffers, over a channel in LSP mode, and what it knows of
" their text.

let s:job = v:null
let s:channel = v:null
let s:is_ready = 0
" How often the server was started without ever having answered.
let s:start_count = 0
" What the server has of a buffer: {number: {lines, version, uri}}.
let s:known = {}
let s:status = #{kind: 'Inactive', message: ''}

function! foretoken#server#status() abort
  return s:status
endfunction

function! foretoken#server#uri(path) abort
  return 'file://' . substitute(a:path, '[^A-Za-z0-9/._~-]', '\=s:escaped(submatch(0))', 'g')
endfunction

function! s:escaped(character) abort
  return join(map(range(len(a:character)), 'printf("%%%02X", char2nr(a:character[v:val]))'), '')
endfunction

" The folder with .git (a file in linked work trees) above a file, else the file's own.
function! s:root(path) abort
  let folder = fnamemodify(a:path, ':h')
  let found = finddir('.git', fnameescape(folder) . ';')
  let found = found ==# '' ? findfile('.git', fnameescape(folder) . ';') : found
  return found ==# '' ? folder : fnamemodify(found, ':p:s?/$??:h')
endfunction

function! s:ended(job, code) abort
  if a:job is s:job
    let [s:job, s:channel, s:is_ready, s:known] = [v:null, v:null, 0, {}]
  endif
endfunction

" Starts the server when there is none and it can be started.
function! s:start(path) abort
  if s:job isnot v:null || s:start_count >= 3 | return | endif
  let s:start_count += 1
  if !executable(g:foretoken.command[0])
    let s:start_count = 3
    echomsg 'Foretoken: ' . g:foretoken.command[0] . ' is not in PATH; see g:foretoken.command'
    return
  endif
  let s:job = job_start(g:foretoken.command, #{
        \ in_mode: 'lsp', out_mode: 'lsp', err_io: 'null', noblock: 1,
        \ callback: function('s:received'), exit_cb: function('s:ended')})
  if job_status(s:job) !=# 'run'
    let s:job = v:null
    return
  endif
  let s:channel = job_getchannel(s:job)
  let root = s:root(a:path)
  call s:request('initialize', #{
        \ processId: getpid(), rootUri: foretoken#server#uri(root),
        \ clientInfo: #{name: 'Vim', version: string(v:versionlong)},
        \ workspaceFolders: [#{uri: foretoken#server#uri(root), name: fnamemodify(root, ':t')}],
        \ initializationOptions: g:foretoken.settings,
        \ capabilities: #{
        \   general: #{positionEncodings: ['utf-16']},
        \   textDocument: #{synchronization: #{didSave: v:true}, inlineCompletion: #{dynamicRegistration: v:false}},
        \   workspace: #{workspaceFolders: v:true},
        \ }}, function('s:started'))
endfunction

function! s:started(response) abort
  if !has_key(a:response, 'result')
    return
  endif
  let s:is_ready = 1
  let s:start_count = 0
  call foretoken#server#notify('initialized', {})
  call foretoken#ready()
endfunction

" Messages of the server that answer nothing.
function! s:received(channel, message) abort
  let method = get(a:message, 'method', '')
  if method ==# 'didChangeStatus'
    let s:status = a:message.params
    redrawstatus
  elseif method ==# 'window/showMessage' || (method ==# 'window/logMessage' && a:message.params.type == 1)
    echomsg 'Foretoken: ' . a:message.params.message
  elseif has_key(a:message, 'id') && method !=# ''
    let items = method ==# 'workspace/configuration' ? map(copy(a:message.params.items), 'v:null') : v:null
    call ch_sendexpr(a:channel, #{id: a:message.id, result: items})
  endif
endfunction

" Sends a request; the callback gets the response. The request's id, -1 when it could not be sent.
function! s:request(method, params, Callback) abort
  if s:channel is v:null || ch_status(s:channel) !=# 'open' | return -1 | endif
  let sent = ch_sendexpr(s:channel, #{method: a:method, params: a:params}, #{
        \ callback: {_, response -> a:Callback(response)}})
  return type(sent) == v:t_dict ? get(sent, 'id', -1) : -1
endfunction

function! foretoken#server#notify(method, params) abort
  if s:channel isnot v:null && ch_status(s:channel) ==# 'open'
    call ch_sendexpr(s:channel, #{method: a:method, params: a:params})
  endif
endfunction

" How many lines two lists have in common at their beginnings, by halving: comparing lists is fast, loops are not.
function! s:common(old, new) abort
  let [low, high] = [0, min([len(a:old), len(a:new)])]
  while low < high
    let middle = (low + high + 1) / 2
    if a:old[low : middle - 1] ==# a:new[low : middle - 1]
      let low = middle
    else
      let high = middle - 1
    endif
  endwhile
  return low
endfunction

" The change of whole lines that makes one list of the other.
function! foretoken#server#change(old, new) abort
  let start = s:common(a:old, a:new)
  let end = s:common(reverse(a:old[start :]), reverse(a:new[start :]))
  let lines = a:new[start : len(a:new) - end - 1]
  return #{
        \ range: #{start: #{line: start, character: 0}, end: #{line: len(a:old) - end, character: 0}},
        \ text: empty(lines) ? '' : join(lines, "\n") . "\n"}
endfunction

" Makes the server know the buffer's text. Whether it does; it may still be starting.
function! foretoken#server#synchronize(buffer) abort
  let path = fnamemodify(bufname(a:buffer), ':p')
  if s:job is v:null | call s:start(path) | endif
  if !s:is_ready | return 0 | endif
  let lines = getbufline(a:buffer, 1, '$')
  if !has_key(s:known, a:buffer)
    let s:known[a:buffer] = #{lines: lines, version: 0, uri: foretoken#server#uri(path)}
    call foretoken#server#notify('textDocument/didOpen', #{textDocument: #{
          \ uri: s:known[a:buffer].uri, languageId: getbufvar(a:buffer, '&filetype'), version: 0,
          \ text: join(lines, "\n") . "\n"}})
    return 1
  endif
  let known = s:known[a:buffer]
  if known.lines !=# lines
    let known.version += 1
    call foretoken#server#notify('textDocument/didChange', #{
          \ textDocument: #{uri: known.uri, version: known.version},
          \ contentChanges: [foretoken#server#change(known.lines, lines)]})
    let known.lines = lines
  endif
  return 1
endfunction

" Asks at a line and byte column, both counted from 0. The callback gets the list of items.
function! foretoken#server#ask(buffer, kind, line, column, Callback) abort
  let before = strpart(s:known[a:buffer].lines[a:line], 0, a:column)
  return s:request('textDocument/inlineCompletion', #{
        \ textDocument: #{uri: s:known[a:buffer].uri},
        \ position: #{line: a:line, character: foretoken#text#units(before)},
        \ context: #{triggerKind: a:kind},
        \ }, {response -> a:Callback(s:items(response))})
endfunction

function! s:items(response) abort
  let result = get(a:response, 'result', v:null)
  return type(result) == v:t_list ? result : type(result) == v:t_dict ? get(result, 'items', []) : []
endfunction

function! foretoken#server#cancel(id) abort
  call foretoken#server#notify('$/cancelRequest', #{id: a:id})
endfunction

" Runs a command on the server; nobody waits for the answer.
function! foretoken#server#execute(command) abort
  if type(a:command) == v:t_dict
    call s:request('workspace/executeCommand',
          \ #{command: a:command.command, arguments: get(a:command, 'arguments', [])}, {_ -> 0})
  endif
endfunction

function! foretoken#server#saved(buffer) abort
  if has_key(s:known, a:buffer)
    call foretoken#server#notify('textDocument/didSave', #{textDocument: #{uri: s:known[a:buffer].uri}})
  endif
endfunction

function! foretoken#server#closed(buffer) abort
  if has_key(s:known, a:buffer)
    call foretoken#server#notify('textDocument/didClose', #{textDocument: #{uri: remove(s:known, a:buffer).uri}})
  endif
endfunction

function! foretoken#server#stop() abort
  if s:channel is v:null | return | endif
  try
    call ch_evalexpr(s:channel, #{method: 'shutdown'}, #{timeout: 2000})
    call foretoken#server#notify('exit', {})
  catch
    " It is gone already, and so is Vim.
  endtry
endfunction
