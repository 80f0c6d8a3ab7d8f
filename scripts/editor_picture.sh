#!/usr/bin/env bash
# Draws docs/images/neovim.svg: Neovim in a terminal (tmux) in which a suggestion of the built daemon is shown, as it is on
# the screen. Needs neovim, tmux, git and python3.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
checkout=$PWD binary=$PWD/.build/release/foretoken columns=76 rows=27
scratch=$(mktemp -d)
socket=$scratch/tmux
trap 'tmux -S "$socket" kill-server 2>/dev/null || true; rm -rf "$scratch"' EXIT

mkdir -p "$scratch/home" "$scratch/drawing"
cp editors/tests/project/*.py "$scratch/drawing"
git -C "$scratch/drawing" init -q
git -C "$scratch/drawing" add .
cat >"$scratch/init.lua" <<LUA
vim.opt.runtimepath:append('$checkout/editors/neovim')
vim.opt.termguicolors = true
vim.opt.number, vim.opt.expandtab, vim.opt.shiftwidth, vim.opt.swapfile = true, true, 4, false
vim.opt.hlsearch, vim.opt.ruler, vim.opt.laststatus, vim.opt.showmode = false, false, 0, true
vim.cmd('syntax on | filetype plugin indent on')
-- Few colours, so that the suggestion can be told from the code.
for group, colour in pairs({
  Normal = '#d4d4d4', LineNr = '#5c6370', String = '#98c379', Comment = '#98c379', Function = '#61afef',
  Statement = '#c678dd', Include = '#c678dd', NonText = '#3b4048', Constant = '#d19a66', ModeMsg = '#8b929e',
}) do
  vim.api.nvim_set_hl(0, group, { fg = colour })
end
require('foretoken').setup({
  command = { '$binary', 'serve', '--context-tokens', '1024', '--disk-cache', 'off', '--no-statistics' },
})
LUA

run() { tmux -S "$socket" "$@"; }
env -u TMUX HOME="$scratch/home" LC_ALL=C.UTF-8 tmux -S "$socket" -f /dev/null new-session -d -x "$columns" -y "$rows" \
    "cd $scratch/drawing && nvim -i NONE -u $scratch/init.lua report.py"
run set -g status off
run set -ga terminal-overrides ',*:Tc'

# Waits until the screen has the text, so many times if a number is given.
await() {
    for _ in $(seq ${TRIES:-600}); do
        if [ "$(run capture-pane -p | grep -cF -- "$1")" -ge "${2:-1}" ]; then return; fi
        sleep 0.1
    done
    echo "the screen never had: $1" >&2
    run capture-pane -p >&2
    exit 1
}

await 'return shared.width'
run send-keys 17G j o
run send-keys -l 'shared = shapes.inter'
await 'shared = shapes.intersect_rectangles(first, second)' 2
read -r x y <<<"$(run display-message -p '#{cursor_x} #{cursor_y}')"
run capture-pane -e -p >"$scratch/capture"
scripts/terminal_svg.py "$columns" "$rows" 'Neovim with Foretoken: the grey text is a suggestion' "$x" "$y" \
    <"$scratch/capture" >docs/images/neovim.svg
