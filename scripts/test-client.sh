#!/bin/bash
# Drives the built binary with a language client that is not ours, pygls, in an environment of its own beneath .build.
# Needs Python 3.10 with venv, git, and the network for the first run. It fails, it never skips.
# usage: scripts/test-client.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x "${1:-}" ]; then
  echo "test-client: ${1:-no binary} cannot be run: make build" >&2
  exit 1
fi
environment=.build/client
requirements=Tests/ClientTests/requirements.txt
if ! cmp -s "$requirements" "$environment/requirements.txt"; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$environment/requirements.txt"
fi
FORETOKEN_BINARY=$(realpath "$1") "$environment/bin/python" -W error::DeprecationWarning -m unittest --verbose \
  Tests/ClientTests/test_session.py
