#!/usr/bin/env bash
# Builds the package on a machine that has Rust and Node and nothing else: its WebAssembly first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/setup/wasm-target.sh
(cd wasm/pack && npm ci --no-audit)
cargo run --locked -p twg-wasm-pack
(cd js-pkg && npm ci --no-audit && npm run build)
