#!/bin/sh
# Installs and starts what the full test suite needs, then runs it: nothing is skipped.
# Arguments go to `cargo test`. For Debian and Ubuntu; elsewhere install the tools by hand.
set -eu
cd "$(dirname "$0")/.."

say() { echo "tests/run.sh: $*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "this needs root, and there is no sudo: $*"
        exit 1
    fi
}

# tool:package
wanted="cc:gcc git:git openssl:openssl ssh-keygen:openssh-client gzip:gzip tar:tar
        unzip:unzip python3:python3 dockerd:docker.io docker:docker.io
        git-lfs:git-lfs gpg:gnupg gpgsm:gpgsm skopeo:skopeo umoci:umoci buildah:buildah
        podman:podman docker-registry:docker-registry"
missing=""
for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || missing="$missing ${pair##*:}"
done
# Debian keeps what makes virtual environments in a package of its own.
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null; then
        say "please install:$missing"
        exit 1
    fi
    # Newer releases keep the engine's client in a package of its own.
    as_root apt-get update -qq
    apt-cache show docker-cli >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/docker.io/docker.io docker-cli/')
    say "installing$missing"
    # shellcheck disable=SC2086 # a list of packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

start_engine() {
    # Where there is an init system the engine is a service; in a container it is started by hand.
    if [ -d /run/systemd/system ]; then
        as_root systemctl start docker
    else
        mkdir -p target
        as_root sh -c "setsid dockerd --group '$(id -g)' >target/dockerd.log 2>&1 </dev/null &"
    fi
    tries=60
    until docker version >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            say "the Docker Engine does not answer; see target/dockerd.log, or whether you may use its socket"
            exit 1
        fi
        sleep 1
    done
}
docker version >/dev/null 2>&1 || start_engine

# Servers that speak S3: one that checks checksums, one with versions and Object Lock. The versions
# are those that the tests were written with; s3s-fs's next one needs a newer Rust.
tools=target/tools
if [ ! -x $tools/bin/s3s-fs ]; then
    say "installing s3s-fs"
    cargo install --quiet --locked s3s-fs --version 0.14.1 --features binary \
        --root $tools --target-dir $tools/build
    rm -rf $tools/build
fi
# Its programs name the folder it was installed in: a copy of it, or a moved one, does not start.
if ! $tools/ministack/bin/ministack --help >/dev/null 2>&1; then
    say "installing ministack"
    python3 -m venv --clear $tools/ministack
    $tools/ministack/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33
fi

export CI=true
exec cargo test "$@"
