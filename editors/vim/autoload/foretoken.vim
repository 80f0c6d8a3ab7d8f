" What is suggested at the cursor: asked for, shown, accepted in parts or whole.

let s:enabled = 1
let s:timer = -1
" What is suggested, {} when nothing is:
"   buffer, line, column   where the suggestion begins: line from 1, column in bytes from 0
"   items, index           what the server sent, and which of it is shown
"   before, behind         the line up to there, and what followed the cursor when it was asked for
"   dropped                how many bytes of `behind` an acceptance replaces
let s:suggestion = {}
" The request under way, {} when there is none.
let s:pending = {}
" Cursor and text that were asked for last or dismissed; they are not asked for again.
let s:last_key = ''

if empty(prop_type_get('ForetokenGhost'))
  call prop_type_add('ForetokenGhost', #{highlight: 'ForetokenGhost'})
endif

function! s:stop_timer() abort
  call timer_stop(s:timer)
  let s:timer = -1
endfunction

function! s:cancel() abort
  if get(s:pending, 'id', -1) >= 0
    call foretoken#server#cancel(s:pending.id)
  endif
  let s:pending = {}
endfunction

function! s:clear() abort
  if !empty(s:suggestion) && bufloaded(s:suggestion.buffer)
    call prop_remove(#{type: 'ForetokenGhost', bufnr: s:suggestion.buffer, all: 1})
  endif
  let s:suggestion = {}
endfunction

function! s:key() abort
  return join([bufnr(), b:changedtick, line('.'), col('.')], ':')
endfunction

function! s:is_inserting() abort
  return mode() =~# '^[iR]'
endfunction

function! s:is_wanted() abort
  return s:enabled && &buftype ==# '' && &modifiable && bufname() !=# ''
        \ && index(g:foretoken.disabled_filetypes, &filetype) < 0 && !get(b:, 'foretoken_disabled', 0)
endfunction

" What is left of the shown item at the cursor; '' when nothing is, or the text or the cursor went another way.
function! s:remaining() abort
  let s = s:suggestion
  if empty(s) || s.buffer != bufnr() | return '' | endif
  let [line, column] = [line('.'), col('.') - 1]
  if line < s.line || (line == s.line && column < s.column) | return '' | endif
  if strpart(getline(s.line), 0, s.column) !=# s.before || strpart(getline('.'), column) !=# s.behind
    return ''
  endif
  let lines = getline(s.line, line)
  let lines[-1] = strpart(lines[-1], 0, column)
  let lines[0] = strpart(lines[0], s.column)
  let typed = join(lines, "\n")
  let text = s.items[s.index].text
  return strpart(text, 0, len(typed)) ==# typed ? strpart(text, len(typed)) : ''
endfunction

" Shows what is left, or nothing. Whether something is shown.
function! s:draw() abort
  let rest = s:remaining()
  if rest ==# ''
    call s:clear()
    return 0
  endif
  call prop_remove(#{type: 'ForetokenGhost', bufnr: s:suggestion.buffer, all: 1})
  let lines = split(rest, "\n", 1)
  let column = strdisplaywidth(strpart(getline('.'), 0, col('.') - 1))
  " A line that is empty cannot be drawn; the ones below it still can.
  if lines[0] !=# ''
    call prop_add(line('.'), col('.'), #{type: 'ForetokenGhost', text: foretoken#text#expand(lines[0], column)})
  endif
  for text in lines[1:]
    call prop_add(line('.'), 0, #{
          \ type: 'ForetokenGhost', text_align: 'below', text: text ==# '' ? ' ' : foretoken#text#expand(text, 0)})
  endfor
  let item = s:suggestion.items[s:suggestion.index]
  if !item.told
    let item.told = 1
    call foretoken#server#notify('textDocument/didShowCompletion', #{item: item.wire})
  endif
  return 1
endfunction

" What is on the screen as text, '' when nothing is. For tests and status lines.
function! foretoken#shown() abort
  return empty(s:suggestion) ? '' : s:remaining()
endfunction

function! s:read_items(wire_items, line, column) abort
  let read = #{items: [], start: -1, dropped: 0}
  let text = getline(a:line)
  for wire in a:wire_items
    let insert = type(wire.insertText) == v:t_dict ? wire.insertText.value : wire.insertText
    let [from, to, is_here] = [a:column, a:column, 1]
    if has_key(wire, 'range')
      let from = foretoken#text#bytes(text, wire.range.start.character)
      let to = foretoken#text#bytes(text, wire.range.end.character)
      let is_here = wire.range.start.line == a:line - 1 && wire.range.end.line == a:line - 1
            \ && from <= a:column && to >= a:column
    endif
    if is_here && insert !=# ''
          \ && (read.start < 0 || (read.start == from && read.dropped == to - a:column))
      let [read.start, read.dropped] = [from, to - a:column]
      call add(read.items, #{text: substitute(insert, "\r\n", "\n", 'g'), wire: wire, told: 0})
    endif
  endfor
  return read
endfunction

function! s:receive(request, wire_items) abort
  if s:pending isnot a:request | return | endif
  let s:pending = {}
  if !s:is_inserting() || bufnr() != a:request.buffer | return | endif
  " What was typed since is after the asked place; the columns before it are as they were.
  if strpart(getline(a:request.line), 0, a:request.column) !=# a:request.before | return | endif
  let read = s:read_items(a:wire_items, a:request.line, a:request.column)
  " Somebody who asked for another one keeps the one there is.
  if empty(read.items) | return | endif
  let shown = a:request.kind == 1 ? s:remaining() : ''
  call s:clear()
  let s:suggestion = #{
        \ buffer: a:request.buffer, line: a:request.line, column: read.start, items: read.items, index: 0,
        \ before: strpart(getline(a:request.line), 0, read.start), behind: a:request.behind, dropped: read.dropped}
  if shown !=# '' | call s:turn(shown) | endif
  call s:draw()
  redraw
endfunction

" Chooses the next item that goes on from here otherwise than what is shown.
function! s:turn(shown) abort
  for _ in s:suggestion.items
    let s:suggestion.index = (s:suggestion.index + 1) % len(s:suggestion.items)
    if index(['', a:shown], s:remaining()) < 0 | break | endif
  endfor
endfunction

" Asks the server; kind 1 is the user's wish, 2 while typing.
function! s:ask(kind) abort
  if !s:is_wanted() || !s:is_inserting() | return | endif
  " The answer to an earlier request may be there by now.
  if a:kind == 2 && s:remaining() !=# '' | return | endif
  if !foretoken#server#synchronize(bufnr()) | return | endif
  call s:cancel()
  let column = col('.') - 1
  let request = #{
        \ buffer: bufnr(), line: line('.'), column: column, kind: a:kind,
        \ before: strpart(getline('.'), 0, column), behind: strpart(getline('.'), column)}
  let s:last_key = s:key()
  let s:pending = request
  let request.id = foretoken#server#ask(bufnr(), a:kind, line('.') - 1, column, {items -> s:receive(request, items)})
endfunction

" The text or the cursor changed: keeps what still fits, asks for what does not.
function! foretoken#changed() abort
  if !s:is_wanted()
    call s:clear()
    return
  endif
  if s:draw()
    let s:last_key = s:key()
    call s:cancel()
    call s:stop_timer()
    return
  endif
  if s:key() ==# s:last_key | return | endif
  call s:cancel()
  call s:stop_timer()
  let s:timer = timer_start(g:foretoken.debounce, {_ -> s:ask(2)})
endfunction

" The server answers from now on. Asks at once: a timer that is started here would wait for the next key.
function! foretoken#ready() abort
  call s:ask(2)
endfunction

function! foretoken#left() abort
  call foretoken#dismiss()
  let s:last_key = ''
endfunction

" Inserts the beginning of what is left. Called between two undo breaks, in insert mode.
function! foretoken#insert(part) abort
  let rest = s:remaining()
  if rest ==# '' | return | endif
  let piece = a:part ==# 'word' ? foretoken#text#word(rest) : a:part ==# 'line' ? foretoken#text#line(rest) : rest
  let is_whole = piece ==# rest
  let s = s:suggestion
  let item = s.items[s.index]
  let line = getline('.')
  let head = strpart(line, 0, col('.') - 1)
  let tail = strpart(line, col('.') - 1 + (is_whole ? s.dropped : 0))
  let lines = split(piece, "\n", 1)
  let end_column = (len(lines) == 1 ? len(head) : 0) + len(lines[-1]) + 1
  let lines[0] = head . lines[0]
  let lines[-1] .= tail
  call setline('.', lines[0])
  call append(line('.'), lines[1:])
  call cursor(line('.') + len(lines) - 1, end_column)
  if is_whole
    call s:clear()
    call foretoken#server#execute(get(item.wire, 'command', v:null))
  else
    let taken = strpart(item.text, 0, len(item.text) - len(rest) + len(piece))
    call foretoken#server#notify('textDocument/didPartiallyAcceptCompletion',
          \ #{item: item.wire, acceptedLength: foretoken#text#units(taken)})
  endif
  call foretoken#changed()
endfunction

" Keys for expression mappings: what they do when something is suggested, else `key` itself.
function! s:accept_keys(part, key) abort
  return s:remaining() ==# '' ? s:keys(a:key)
        \ : "\<C-g>u\<Cmd>call foretoken#insert('" . a:part . "')\<CR>\<C-g>u"
endfunction

function! s:keys(key) abort
  return eval('"' . substitute(a:key, '<', '\\<', 'g') . '"')
endfunction

function! foretoken#accept_key(key = '') abort
  return s:accept_keys('whole', a:key)
endfunction

function! foretoken#accept_word_key(key = '') abort
  return s:accept_keys('word', a:key)
endfunction

function! foretoken#accept_line_key(key = '') abort
  return s:accept_keys('line', a:key)
endfunction

function! foretoken#next_key(key = '') abort
  return "\<Cmd>call foretoken#next()\<CR>"
endfunction

function! foretoken#dismiss_key(key = '') abort
  return s:remaining() ==# '' ? s:keys(a:key) : "\<Cmd>call foretoken#dismiss()\<CR>"
endfunction

" Shows another suggestion; asks for several where there is one.
function! foretoken#next() abort
  if len(get(s:suggestion, 'items', [])) > 1
    call s:turn(s:remaining())
    call s:draw()
  else
    call s:ask(1)
  endif
endfunction

" Takes the suggestion away until the text changes.
function! foretoken#dismiss() abort
  call s:stop_timer()
  call s:cancel()
  call s:clear()
  let s:last_key = s:key()
endfunction

function! foretoken#actions(...) abort
  return ['disable', 'enable', 'snooze', 'status']
endfunction

" :Foretoken enable, disable, snooze [minutes], status
function! foretoken#action(action, minutes = 10) abort
  if a:action ==# 'enable'
    let s:enabled = 1
  elseif a:action ==# 'disable'
    let s:enabled = 0
    call foretoken#dismiss()
  elseif a:action ==# 'snooze'
    call foretoken#dismiss()
    call foretoken#server#execute(#{command: 'foretoken.snooze', arguments: [str2nr(a:minutes)]})
  elseif a:action ==# 'status'
    echo foretoken#server#status().kind foretoken#server#status().message
  else
    echoerr 'Foretoken: enable, disable, snooze or status'
  endif
endfunction
