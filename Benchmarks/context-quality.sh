#!/bin/sh
# The table of docs/CONTEXT.md: how much the choice of context is worth on real repositories.
#
#   context-quality.sh fetch REPOSITORIES                       see context-repositories.sh
#   context-quality.sh run BINARY REPOSITORIES OUTPUT [--jobs n] [--threads n] [--cursors n] [--ablation-cursors n]
#   context-quality.sh table OUTPUT                             prints the table from the journal
#   context-quality.sh shared REPOSITORY OTHER...               share of lines that a repository has in common with others
#
# REPOSITORIES and OUTPUT are folders. A run that is started again goes on where it stopped; two cores need
# 90 minutes, a large machine runs many servers at once (--jobs 24 --threads 2). BINARY may stand alone
# with FORETOKEN_MODEL set (make install builds one that needs no Swift runtime).
set -eu

here=$(dirname "$0")
command=${1:-help}
[ $# -gt 0 ] && shift
case $command in
fetch) exec "$here/context-repositories.sh" "$@" ;;
run)
    binary=${1:?BINARY} repositories=${2:?REPOSITORIES} output=${3:?OUTPUT}
    shift 3
    unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
    exec python3 "$here/context_quality.py" run "$binary" "$output" "$repositories"/* "$@"
    ;;
table | shared) exec python3 "$here/context_quality.py" "$command" "$@" ;;
*) sed -n 's/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
