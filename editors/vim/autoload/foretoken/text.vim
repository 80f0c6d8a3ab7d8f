" Text alone: columns in UTF-16 units, what of a suggestion is still to come, its next word or line.

" The number of UTF-16 units of a string.
function! foretoken#text#units(string) abort
  let characters = str2list(a:string, 1)
  return len(characters) + len(filter(characters, 'v:val > 0xFFFF'))
endfunction

" How many bytes of `line` its first `units` UTF-16 units are. Beyond the end is the end.
function! foretoken#text#bytes(line, units) abort
  let left = a:units
  let bytes = 0
  for character in str2list(a:line, 1)
    if left <= 0 | break | endif
    let left -= character > 0xFFFF ? 2 : 1
    let bytes += len(nr2char(character, 1))
  endfor
  return bytes
endfunction

" The beginning of `text` up to the end of its first word: white space, then letters, digits and underscores, or
" else one run of other characters.
function! foretoken#text#word(text) abort
  let blank = matchstr(a:text, '^\%([ \t\r\n\f\v]\)*')
  let rest = strpart(a:text, len(blank))
  let word = matchstr(rest, '^\%([0-9A-Za-z_]\|[^\x01-\x7f]\)\+')
  return blank . (word ==# '' ? matchstr(rest, '^[\x01-\x08\x0e-\x1f!-/:-@\[-^`{-\x7f]\+') : word)
endfunction

" The beginning of `text` up to the end of its first line that is not empty.
function! foretoken#text#line(text) abort
  return matchstr(a:text, '^\n*[^\n]*')
endfunction

" Tabs as the buffer shows them, from a display column on: virtual text has no tab stops of its own.
function! foretoken#text#expand(text, column) abort
  let [out, column] = ['', a:column]
  for part in split(a:text, '\t\zs', 1)
    let plain = substitute(part, '\t$', '', '')
    let column += strdisplaywidth(plain)
    let width = plain ==# part ? 0 : &tabstop - column % &tabstop
    let out .= plain . repeat(' ', width)
    let column += width
  endfor
  return out
endfunction
