#!/usr/bin/env bash
# Tests the plugins in the real editors, each against a server with written answers and against the built daemon on a
# cloned repository.
#
#   editors/tests/run.sh [--installed] [neovim] [emacs] [vim] [vscode]      all of them without names
#
# An editor that is missing is a failure; with --installed it is said not to have been tested. FORETOKEN names the
# binary (.build/release/foretoken without it); NVIM, EMACS, VIM_BINARY and NODE other programs than those in PATH;
# FORETOKEN_RECORD a folder for recordings of the sessions with the daemon; FT_PARTS one of the parts, scripted or real.

set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
editors=$(dirname "$tests")
checkout=$(dirname "$editors")
binary=${FORETOKEN:-$checkout/.build/release/foretoken}
[ -x "$binary" ] || { echo "no $binary: run make build first, or set FORETOKEN" >&2; exit 1; }
parts=${FT_PARTS:-scripted real}
is_lenient=
if [ "${1:-}" = --installed ]; then is_lenient=1 && shift; fi

for helper in git python3; do
    command -v "$helper" >/dev/null && continue
    [ -z "$is_lenient" ] || { echo "NOT RUN: the editor plugins, because $helper is not installed" && exit 0; }
    echo "not ok - $helper is not installed (editors/tests/install.sh does that)" && exit 1
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The user's own configuration is neither read nor changed.
export HOME=$scratch/home XDG_CONFIG_HOME=$scratch/home/.config XDG_CACHE_HOME=$scratch/home/.cache \
    XDG_DATA_HOME=$scratch/home/.local/share XDG_STATE_HOME=$scratch/home/.local/state
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C.UTF-8
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE FORETOKEN_MODEL
mkdir -p "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" "$XDG_DATA_HOME" "$XDG_STATE_HOME"

# A repository to clone from.
origin=$scratch/origin
mkdir "$origin"
cp "$tests"/project/*.py "$origin"
git -C "$origin" init -q -b main
git -C "$origin" add .
git -C "$origin" -c user.name=tests -c user.email=tests@localhost commit -q -m 'A drawing'

# The server's command line as JSON.
server_command() { # EDITOR PART FOLDER
    local command
    if [ "$2" = scripted ]; then
        command=(python3 "$tests/scripted_server.py" "$tests/rules.json" "$3/log")
    else
        command=("$binary" serve --context-tokens 1024 --disk-cache off --no-statistics --answer-within 0)
        if [ -n "${FORETOKEN_RECORD:-}" ]; then
            command=(python3 "$tests/record.py" "$FORETOKEN_RECORD/$1.jsonl" "$1" "${command[@]}")
        fi
    fi
    python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "${command[@]}"
}

# run_in EDITOR PART COMMAND...: one editor with a clone of its own and its environment.
run_in() {
    local editor=$1 part=$2 here=$scratch/$1-$2
    shift 2
    mkdir -p "$here"
    git clone -q "$origin" "$here/drawing"
    : >"$here/log"
    FT_EDITORS=$editors FT_PROJECT=$here/drawing FT_LOG=$here/log FT_PART=$part \
        FT_COMMAND=$(server_command "$editor" "$part" "$here") timeout -k 5 240 "$@" </dev/null
}

# Whether the suggestion is drawn on a terminal, with nothing but the plugin loaded: on_screen EDITOR COMMAND...
on_screen() {
    local editor=$1
    shift
    printf 'x = 1\n' >"$scratch/screen.py"
    run_in "$editor-screen" scripted python3 "$tests/terminal.py" --type '' --until 'x = 1' "${steps[@]}" "$@" ||
        return 1
    echo "ok - drawn on a terminal"
}

test_neovim() {
    "$NVIM" --version | sed -n 1p
    for part in $parts; do
        run_in neovim "$part" "$NVIM" --headless -u NONE -i NONE -c "luafile $editors/neovim/test.lua" \
            2>"$scratch/messages" || return 1
    done
    local steps=(--type 'owhole = ' --until 'width * height' --type '\t' --until 'width * height')
    on_screen neovim "$NVIM" -n -u NONE -i NONE --cmd "set rtp^=$editors/neovim" \
        -c "lua require('foretoken').setup({ command = vim.fn.json_decode(os.getenv('FT_COMMAND')) })" \
        "$scratch/screen.py" || return 1
    # Neovim 0.12 can do it alone.
    if "$NVIM" --headless -u NONE -c 'lua if not vim.lsp.inline_completion then vim.cmd("cquit") end' -c q 2>/dev/null; then
        for part in $parts; do
            run_in neovim-builtin "$part" "$NVIM" --headless -u NONE -i NONE \
                -c "luafile $editors/neovim/builtin_test.lua" 2>"$scratch/messages" || return 1
        done
    else
        echo "NOT RUN: the inline completion that is built into Neovim 0.12"
    fi
}

test_emacs() {
    "$EMACS" --version | sed -n 1p
    local steps=(--type 'whole = ' --until 'width * height' --type '\t' --until 'width * height')
    on_screen emacs "$EMACS" -nw -q --eval "(progn (setq make-backup-files nil create-lockfiles nil)
        (add-to-list 'load-path \"$editors/emacs\") (require 'foretoken)
        (setq foretoken-command (append (json-parse-string (getenv \"FT_COMMAND\")) nil))
        (foretoken-global-mode 1))" "$scratch/screen.py" || return 1
    for backend in own eglot; do
        for part in $parts; do
            FT_BACKEND=$backend run_in "emacs-$backend" "$part" "$EMACS" -q --batch -l "$editors/emacs/test.el" \
                2>"$scratch/messages" || { tail -n 20 "$scratch/messages" && return 1; }
        done
    done
}

test_vim() {
    "$VIM_BINARY" --version | sed -n 1p
    local steps=(--type 'owhole = ' --until 'width * height' --type '\t' --until 'width * height')
    # The lines that setup prints.
    printf 'set nocompatible encoding=utf-8 | let &runtimepath .= ",%s" | let g:foretoken = %s\n' \
        "$editors/vim" '#{command: json_decode($FT_COMMAND)}' >"$scratch/vimrc"
    on_screen vim "$VIM_BINARY" -n -i NONE -u "$scratch/vimrc" "$scratch/screen.py" || return 1
    for part in $parts; do
        export FT_RESULT=$scratch/vim-result
        : >"$FT_RESULT"
        local status=0
        run_in vim "$part" python3 "$tests/terminal.py" "$VIM_BINARY" --clean -S "$editors/vim/test.vim" || status=1
        cat "$FT_RESULT"
        [ "$status" -eq 0 ] || return 1
    done
}

test_vscode() {
    for part in $parts; do
        run_in vscode "$part" "$NODE" "$editors/vscode/test.js" || return 1
    done
}

: "${NVIM:=nvim}" "${EMACS:=emacs}" "${VIM_BINARY:=vim}" "${NODE:=node}"
declare -A program=([neovim]=$NVIM [emacs]=$EMACS [vim]=$VIM_BINARY [vscode]=$NODE)
status=0
[ $# -gt 0 ] || set -- neovim emacs vim vscode
for editor in "$@"; do
    echo "== $editor"
    if ! command -v "${program[$editor]}" >/dev/null; then
        if [ -n "$is_lenient" ]; then
            echo "NOT RUN: $editor, because ${program[$editor]} is not installed (make test-editors installs it)"
        else
            echo "not ok - $editor: ${program[$editor]} is not installed (editors/tests/install.sh does that)"
            status=1
        fi
    elif ! "test_$editor"; then
        echo "not ok - $editor"
        status=1
    fi
done
exit "$status"
