" Tests the plugin in a real Vim on a pseudo-terminal: keys go through its input queue, so modes, mappings, events and
" undo are the editor's own. Run by editors/tests/run.sh with the environment that neovim/test.lua describes; FT_RESULT
" is the file that results go to. A test is a list of steps; each is a function that is called again until it is true, so
" nothing waits for a time, and a deadline is reached only by a defect.

set nocompatible nomore shortmess+=aoOtTIcF noswapfile nobackup nowritebackup encoding=utf-8 viminfo=
set expandtab shiftwidth=4 softtabstop=4 ttimeoutlen=0 hidden
filetype on
let s:editors = $FT_EDITORS
execute 'set runtimepath^=' . fnameescape(s:editors . '/vim')
let g:foretoken = #{command: json_decode($FT_COMMAND), debounce: 5}
execute 'source' fnameescape(s:editors . '/vim/plugin/foretoken.vim')

let s:tests = []
let s:steps = []
let s:saved = {}

function! s:log() abort
  return map(readfile($FT_LOG), 'json_decode(v:val)')
endfunction

function! s:logged(method) abort
  return filter(s:log(), 'v:val.method ==# a:method')
endfunction

function! s:bytes() abort
  silent noautocmd write
  return join(readfile(bufname(), 'b'), "\n")
endfunction

function! s:note(line) abort
  call writefile([a:line], $FT_RESULT, 'a')
endfunction

" What the text properties show.
function! s:ghost() abort
  let lines = map(prop_list(1, #{end_lnum: -1}), 'get(v:val, "text", "")')
  return empty(lines) ? v:null : foretoken#shown()
endfunction

function! s:test(name) abort
  call add(s:tests, a:name)
  call s:then({-> execute('let s:name = ' . string(a:name), '')})
endfunction

function! s:step(what, Condition) abort
  call add(s:steps, #{what: a:what, condition: a:Condition})
endfunction

function! s:then(Action) abort
  call s:step('an action', {-> [a:Action(), 1][1]})
endfunction

let s:key_count = 0
let s:keys_done = 0

" Types, and goes on when Vim has taken every key.
function! s:keys(keys) abort
  let s:key_count += 1
  let number = s:key_count
  call s:then({-> feedkeys(a:keys . "\<Cmd>call FtKeysDone(" . number . ")\<CR>", 't')})
  call s:step('the keys ' . a:keys, {-> s:keys_done == number})
endfunction

function! FtKeysDone(number) abort
  let s:keys_done = a:number
endfunction

function! s:sees(text) abort
  call s:step('ghost text ' . string(a:text), {-> s:ghost() ==# a:text})
endfunction

function! s:sees_nothing() abort
  call s:step('no ghost text', {-> s:ghost() is v:null})
endfunction

function! s:equal(Found, expected, what) abort
  call s:then({-> s:check(a:Found(), a:expected, a:what)})
endfunction

function! s:check(found, expected, what) abort
  if a:found !=# a:expected
    call s:fail(printf('%s: expected %s, found %s', a:what, string(a:expected), string(a:found)))
  endif
endfunction

function! s:file(text, what) abort
  call s:equal(function('s:bytes'), a:text, a:what)
endfunction

function! s:fail(message) abort
  call s:note('not ok - ' . s:name)
  call s:note(a:message)
  cquit
endfunction

function! s:open(name, content) abort
  call s:keys("\<Esc>")
  call s:then({-> writefile(split(a:content, "\n", 1), $FT_PROJECT . '/' . a:name, 'b')})
  call s:then({-> execute('edit! ' . fnameescape($FT_PROJECT . '/' . a:name) . ' | $')})
endfunction

function! s:scripted() abort
  call s:test('words and lines are cut as everywhere')
  for each in json_decode(join(readfile(s:editors . '/tests/pieces.json')))
    call s:check(foretoken#text#word(each.text), each.word, 'word of ' . string(each.text))
    call s:check(foretoken#text#line(each.text), each.line, 'line of ' . string(each.text))
  endfor

  call s:test('columns in UTF-16, and changes of lines')
  call s:check(foretoken#text#units('aé名😀b'), 6, 'units')
  for column in [0, 1, 3, 6, 10, 11]
    let before = strpart('aé名😀b', 0, column)
    call s:check(foretoken#text#bytes('aé名😀b', foretoken#text#units(before)), column, 'bytes')
  endfor
  for [old, new] in [[['a'], ['b']], [['a', 'b'], ['a']], [['a'], ['a', 'a']], [['a', 'b', 'c'], ['a', 'x', 'y', 'c']],
        \ [['a', 'a'], ['a']], [['a'], ['a']], [[''], ['x', '']]]
    let change = foretoken#server#change(old, new)
    let result = old[: change.range.start.line - 1] + split(change.text, "\n", 1)[: -2] + old[change.range.end.line :]
    if change.range.start.line == 0
      let result = split(change.text, "\n", 1)[: -2] + old[change.range.end.line :]
    endif
    call s:check(result, new, 'change')
  endfor

  call s:test('accepts whole; undo takes exactly that back')
  call s:open('whole.py', "x = 1\n")
  call s:keys('owhole = ')
  call s:sees('width * height')
  call s:file("x = 1\nwhole = \n", 'ghost text is not in the file')
  call s:keys("\<Tab>")
  call s:file("x = 1\nwhole = width * height\n", 'accepted')
  call s:step('the command', {-> len(s:logged('workspace/executeCommand')) == 1})
  call s:keys("  # typed\<Esc>u")
  call s:file("x = 1\nwhole = width * height\n", 'first undo: what was typed after')
  call s:keys('u')
  call s:file("x = 1\nwhole = \n", 'second undo: the acceptance')
  call s:keys('u')
  call s:file("x = 1\n", 'third undo: what was typed before')
  call s:keys("\<C-r>\<C-r>")
  call s:file("x = 1\nwhole = width * height\n", 'redo')

  call s:equal({-> execute('messages') =~# 'scripted trouble' && execute('messages') !~# 'scripted news'}, v:true,
        \ 'errors of the server are told')

  call s:test('accepts by word and by line')
  call s:open('parts.py', '')
  call s:keys('iwhole = ')
  call s:sees('width * height')
  call s:keys("\<C-Right>")
  call s:sees(' * height')
  call s:file("whole = width\n", 'one word')
  call s:keys("\<C-Right>")
  call s:sees(' height')
  call s:keys("\<C-Down>")
  call s:sees_nothing()
  call s:file("whole = width * height\n", 'the rest of the line')
  call s:equal({-> map(s:logged('textDocument/didPartiallyAcceptCompletion'), 'v:val.params.acceptedLength')},
        \ [5, 7], 'lengths told')
  call s:keys("\<Esc>u")
  call s:file("whole = width *\n", 'each acceptance is a step of its own')

  call s:test('several lines, characters of all widths, tabs: byte for byte')
  let all = "naïve_名前 + 1\n\tsecond(\"😀\")\n    third = 3"
  call s:open('wide.py', "# é\n")
  call s:keys('os = "😀é" + ')
  call s:sees(all)
  call s:equal({-> s:logged('textDocument/inlineCompletion')[-1].params.position}, #{line: 1, character: 12}, 'UTF-16 units')
  call s:keys("\<C-Right>")
  call s:sees(" + 1\n\tsecond(\"😀\")\n    third = 3")
  call s:keys("\<C-Down>")
  call s:sees("\n\tsecond(\"😀\")\n    third = 3")
  call s:keys("\<C-Down>")
  call s:sees("\n    third = 3")
  call s:keys("\<Tab>")
  call s:sees_nothing()
  call s:file("# é\ns = \"😀é\" + " . all . "\n", 'bytes')
  call s:keys("\<Esc>uuuuu")
  call s:file("# é\n", 'four acceptances and what was typed: five steps')

  call s:test('typing along keeps the suggestion and asks nothing')
  call s:open('along.py', '')
  call s:keys('iwhole = ')
  call s:sees('width * height')
  call s:then({-> extend(s:saved, #{count: len(s:logged('textDocument/inlineCompletion'))})})
  call s:keys('wid')
  call s:sees('th * height')
  call s:keys("\<BS>")
  call s:sees('dth * height')
  call s:equal({-> len(s:logged('textDocument/inlineCompletion')) - s:saved.count}, 0, 'requests')
  call s:keys("\<Tab>")
  call s:file("whole = width * height\n", 'accepted')

  call s:test('typing something else takes it away at once')
  call s:open('else.py', '')
  call s:keys('iwhole = ')
  call s:sees('width * height')
  call s:keys('q')
  call s:equal(function('s:ghost'), v:null, 'ghost text')
  call s:file("whole = q\n", 'bytes')

  call s:test('a suggestion that begins before the cursor')
  call s:open('back.py', '')
  call s:keys('iback = wi')
  call s:sees(' + "😀"')
  call s:keys("\<Tab>")
  call s:file("back = wi + \"😀\"\n", 'bytes')

  call s:test('a suggestion that replaces what follows the cursor')
  call s:open('drop.py', "x = call)\n")
  call s:keys('f)i(')
  call s:sees('first, second)')
  call s:keys("\<C-Right>")
  call s:sees(', second)')
  call s:keys("\<Tab>")
  call s:file("x = call(first, second)\n", 'bytes')

  call s:test('another suggestion, and the first again')
  call s:open('many.py', '')
  call s:keys('imany = ')
  call s:sees('one(1)')
  call s:keys("\<C-Up>")
  call s:sees('two(2)')
  call s:keys("\<C-Up>")
  call s:sees('three(3)')
  call s:keys("\<C-Up>")
  call s:sees('one(1)')
  call s:keys("\<C-Up>\<Tab>")
  call s:file("many = two(2)\n", 'bytes')

  call s:test('dismissed stays dismissed until the text changes')
  call s:open('dismiss.py', '')
  call s:keys('iwhole = ')
  call s:sees('width * height')
  call s:keys("\<C-]>")
  call s:sees_nothing()
  call s:keys("\<Tab>")
  call s:file("whole =     \n", 'the key is itself again')

  call s:test('leaving insert mode cancels the request')
  call s:open('held.py', '')
  call s:then({-> extend(s:saved, #{asked: len(s:logged('textDocument/inlineCompletion')),
        \ cancelled: len(s:logged('$/cancelRequest'))})})
  call s:keys('inever = ')
  call s:step('the request', {-> len(s:logged('textDocument/inlineCompletion')) > s:saved.asked})
  call s:keys("\<Esc>")
  call s:step('its cancellation', {-> len(s:logged('$/cancelRequest')) > s:saved.cancelled})

  call s:test('files with carriage returns keep them')
  call s:open('carriage.py', "x = 1\r\n")
  call s:keys('ocarriage = ')
  call s:sees("one\n    two")
  call s:keys("\<Tab>")
  call s:file("x = 1\r\ncarriage = one\r\n    two\r\n", 'bytes')

  call s:test('disabled is silent, enabled again asks')
  call s:open('off.py', '')
  call s:then({-> execute('Foretoken disable')})
  call s:keys('iwhole = ')
  call s:equal(function('s:ghost'), v:null, 'ghost text')
  call s:then({-> execute('Foretoken enable')})
  call s:keys("\<BS> ")
  call s:sees('width * height')

  call s:test('the server knows every byte that the file has')
  call s:open('sync.py', "a = \"é😀\"\nb = 2\n")
  call s:keys("ggOfirst\<Esc>jA + \"名\"\<Esc>Gdd:1copy $\<CR>owhole = ")
  call s:sees('width * height')
  call s:keys("\<C-Right>\<Tab>\<Esc>owhole = ")
  call s:step('the document', {-> s:logged('textDocument/inlineCompletion')[-1].document ==# s:bytes()})

  call s:test('the server is told what was shown')
  call s:equal({-> len(s:logged('textDocument/didShowCompletion')) > 10}, v:true, 'didShowCompletion')
endfunction

function! s:real() abort
  call s:test('sees a suggestion, accepts it by word, by line and whole')
  call s:then({-> execute('edit ' . fnameescape($FT_PROJECT . '/report.py'))})
  call s:then({-> extend(s:saved, #{original: s:bytes()})})
  call s:keys("/^def widest\<CR>joshared = shapes.inter")
  call s:step('ghost text', {-> s:ghost() isnot v:null})
  call s:then({-> extend(s:saved, #{suggested: foretoken#shown(), typed: s:bytes()})})
  call s:then({-> s:note('# suggested: ' . json_encode(s:saved.suggested))})
  call s:then({-> s:check(s:saved.typed, substitute(s:saved.original, 'share\."""\n\ze    return shared.w',
        \ 'share."""\n    shared = shapes.inter\n', ''), 'ghost text is not in the file')})
  for [key, part] in [["\<C-Right>", 'foretoken#text#word'], ["\<C-Down>", 'foretoken#text#line'], ["\<Tab>", 'string']]
    call s:keys(key)
    call s:then(function('s:check_inserted', [part]))
    call s:keys("\<Esc>u")
    call s:equal({-> s:bytes() ==# s:saved.typed}, v:true, 'one undo')
    if key !=# "\<Tab>"
      call s:keys('A')
      call s:step('ghost text', {-> s:ghost() ==# s:saved.suggested})
    endif
  endfor
  call s:keys('u')
  call s:equal({-> s:bytes() ==# s:saved.original}, v:true, 'everything undone')
endfunction

function! s:check_inserted(part) abort
  let piece = a:part ==# 'string' ? s:saved.suggested : call(a:part, [s:saved.suggested])
  let place = stridx(s:saved.typed, 'shapes.inter', stridx(s:saved.typed, 'def widest')) + len('shapes.inter')
  call s:check(s:bytes(), strpart(s:saved.typed, 0, place) . piece . strpart(s:saved.typed, place), a:part)
endfunction

let s:waiting_since = reltime()

function! s:run(timer) abort
  try
    while !empty(s:steps)
      if !s:steps[0].condition()
        if reltimefloat(reltime(s:waiting_since)) > 60
          call s:fail(printf('waited in vain for %s; ghost text: %s; buffer: %s',
                \ s:steps[0].what, string(s:ghost()), string(getline(1, '$'))))
        endif
        return
      endif
      call remove(s:steps, 0)
      let s:waiting_since = reltime()
    endwhile
  catch
    call s:fail(v:exception . ' at ' . v:throwpoint)
  endtry
  for name in s:tests
    call s:note('ok - ' . name)
  endfor
  call s:note(printf('# %d passed in Vim, %s', len(s:tests), $FT_PART))
  call timer_stop(a:timer)
  call feedkeys("\<Esc>:qall!\<CR>", 't')
endfunction

let s:name = 'setting up'
try
  if $FT_PART ==# 'scripted' | call s:scripted() | else | call s:real() | endif
catch
  call s:fail(v:exception . ' at ' . v:throwpoint)
endtry
call timer_start(5, function('s:run'), #{repeat: -1})
