" Inline completion for Vim 9: asks while you type, shows the answer as ghost text. What it does is in autoload/.

if exists('g:loaded_foretoken') || !has('patch-9.0.0185') || !has('textprop') || !has('channel') || has('nvim')
  finish
endif
let g:loaded_foretoken = 1

let g:foretoken = extend(#{
      \ command: ['foretoken', 'serve'],
      \ settings: {},
      \ debounce: 30,
      \ disabled_filetypes: ['gitcommit', 'gitrebase'],
      \ keys: {},
      \ }, get(g:, 'foretoken', {}))
" An empty string leaves a key unmapped.
call extend(g:foretoken.keys, #{
      \ accept: '<Tab>', accept_word: '<C-Right>', accept_line: '<C-Down>', next: '<C-Up>', dismiss: '<C-]>',
      \ }, 'keep')

highlight default ForetokenGhost ctermfg=8 guifg=#808080

function! s:map(name, call) abort
  let key = g:foretoken.keys[a:name]
  if key !=# ''
    execute 'inoremap <silent> <expr>' key printf('foretoken#%s(%s)', a:call, string(substitute(key, '<', '<lt>', 'g')))
  endif
endfunction

call s:map('accept', 'accept_key')
call s:map('accept_word', 'accept_word_key')
call s:map('accept_line', 'accept_line_key')
call s:map('next', 'next_key')
call s:map('dismiss', 'dismiss_key')

command! -nargs=+ -complete=customlist,foretoken#actions Foretoken call foretoken#action(<f-args>)

augroup foretoken
  autocmd!
  autocmd InsertEnter,CursorMovedI,TextChangedI,TextChangedP * call foretoken#changed()
  autocmd InsertLeave,BufLeave * call foretoken#left()
  autocmd BufWritePost * call foretoken#server#saved(expand('<abuf>')->str2nr())
  autocmd BufUnload * call foretoken#server#closed(expand('<abuf>')->str2nr())
  autocmd VimLeavePre * call foretoken#server#stop()
augroup END
