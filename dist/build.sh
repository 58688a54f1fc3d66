#!/bin/sh
# Makes a static Linux binary in dist/out/dhfpack and, where a container engine answers, an image
# `dhfpack:VERSION` that holds nothing else. Run: dist/build.sh
#
# The binary is linked with musl where the Rust toolchain has that target (or rustup can add it),
# and otherwise with glibc, also statically. ENGINE names the container engine (docker or podman).
set -eu
cd "$(dirname "$0")/.."

arch=$(uname -m)
target="$arch-unknown-linux-musl"
if ! rustc --print target-libdir --target "$target" 2>/dev/null | xargs test -d; then
    command -v rustup >/dev/null && rustup target add "$target" >/dev/null 2>&1 || true
fi
if rustc --print target-libdir --target "$target" 2>/dev/null | xargs test -d; then
    # aws-lc is C: it needs a compiler that knows musl.
    if ! command -v musl-gcc >/dev/null; then
        echo "dist/build.sh: install musl-gcc first (Debian and Ubuntu: apt-get install musl-tools)" >&2
        exit 1
    fi
    cargo build --locked --profile dist --target "$target"
else
    echo "dist/build.sh: no Rust standard library for musl here; linking statically with glibc" >&2
    target="$arch-unknown-linux-gnu"
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile dist --target "$target"
fi
mkdir -p dist/out
cp "target/$target/dist/dhfpack" dist/out/dhfpack
dist/out/dhfpack --version

engine=${ENGINE:-docker}
if command -v "$engine" >/dev/null && "$engine" version >/dev/null 2>&1; then
    version=$(dist/out/dhfpack --version | cut -d ' ' -f 2)
    "$engine" build -q -t "dhfpack:$version" -f dist/Containerfile dist/out
    "$engine" run --rm "dhfpack:$version" --version
fi
