#!/usr/bin/env bash
# Everything from a fresh checkout to the tables: installs what bench/ needs into bench/, builds
# fusebert, makes models, texts and competitors' files, and runs the benchmarks on one thread and on
# two. Arguments go to both runs.
#
#   bench/run.sh cpu [options]     npm run bench:cpu
#   bench/run.sh all [options]     npm run bench
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
  cpu) script=bench:cpu ;;
  all) script=bench ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
shift

[ -e ../dist/index.js ] || npm --prefix .. ci
[ -d node_modules ] || npm ci --ignore-scripts
if [ ! -e .venv ]; then python3 -m venv .venv; fi
.venv/bin/pip install --quiet --requirement requirements.txt
[ -e corpus/mixed.txt ] || node make-corpus.mjs
[ -e models/manifest.json ] || .venv/bin/python make-models.py
[ -e models/byte-level-bpe/tokenizer.json ] || .venv/bin/python make-tokenizer.py

for threads in 1 2; do
  npm run "$script" -- --threads "$threads" --json "${script#bench:}-$threads-threads.json" "$@"
done
