#!/bin/sh
# Checks that the program compiles for Windows and macOS, and the verifying core for a browser.
# A target whose standard library is not installed is skipped, and named.
set -eu
cd "$(dirname "$0")/.."

check() {
    target=$1
    shift
    if ! test -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)"; then
        echo "skipped: no standard library for $target" >&2
        return
    fi
    echo "checking $target" >&2
    cargo check --locked --target "$target" "$@"
}

# aws-lc brings its assembly for Windows ready made, so that NASM is not needed.
export AWS_LC_SYS_PREBUILT_NASM=1
check x86_64-pc-windows-gnu --lib --bins
check x86_64-pc-windows-msvc --lib --bins
check aarch64-apple-darwin --lib --bins
check wasm32-unknown-unknown --lib --no-default-features
