#!/bin/bash
# dhfpack beside stock tools, on the same made input, in one run. Prints ratios: below 1, dhfpack
# is faster. Run: benches/versus.sh [verify] [build] [memory] [documents] [git] [image] [registry]
# [store] [objects]
# (default: all)
#
# Needs about 30 GiB in BENCH_DIR (default target/bench), a Docker Engine, openssl, hyperfine and
# GNU time; installs the last two with apt-get if it may; skopeo for the parts `image` and
# `registry`, docker-registry and nginx for the latter; for `store` and `objects` the s3s-fs that
# tests/run.sh installs, and for the former rclone and aws (awscli). RUNS sets the number of timed
# runs, COMMITS and HISTORY_MIB the size of the made history (200000 and 5120 for the largest).
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-3}
dir=$(mkdir -p "${BENCH_DIR:-target/bench}" && cd "${BENCH_DIR:-target/bench}" && pwd)
parts=${*:-verify build memory documents git image registry store objects}
dhfpack=$PWD/target/release/dhfpack
role="Engineering SME"

for pair in hyperfine:hyperfine /usr/bin/time:time openssl:openssl python3:python3; do
    command -v "${pair%%:*}" >/dev/null || apt-get install -y -qq "${pair##*:}" >/dev/null
done
cargo build --locked --release --quiet

say() { printf '\n== %s\n' "$*"; }
ratio() { python3 -c "import sys; print(f'{float(sys.argv[1]) / float(sys.argv[2]):.2f}')" "$1" "$2"; }

# Mean wall time in seconds of a command; a second argument is run before each timing.
wall() {
    hyperfine --style none --runs "$runs" --warmup 1 ${2:+--prepare "$2"} \
        --export-json "$dir/time.json" "$1" >/dev/null 2>"$dir/hyperfine.log" || { cat "$dir/hyperfine.log" >&2; exit 1; }
    python3 -c "import json; print(json.load(open('$dir/time.json'))['results'][0]['mean'])"
}

# Bytes per second that OpenSSL hashes with this many processes.
openssl_speed() {
    openssl speed -evp sha256 -bytes 262144 -seconds 3 -multi "$1" 2>/dev/null \
        | awk '/^(evp|sha256)/ { rate = $NF } END { sub("k", "", rate); printf "%.0f\n", rate * 1000 }'
}

random_file() { head -c "$2" /dev/urandom > "$1"; }

small_files() { # FOLDER COUNT
    python3 - "$1" "$2" <<'PY'
import os, sys
folder, count = sys.argv[1], int(sys.argv[2])
for i in range(count):
    if i % 1000 == 0:
        os.makedirs(f"{folder}/{i // 1000:03}", exist_ok=True)
    with open(f"{folder}/{i // 1000:03}/{i:06}.txt", "w") as f:
        f.write(f"record {i}\n" * 40)
PY
}

# A product's repository: PRODUCT IMAGE_SOURCE; documents come from the folder PRODUCT.data.
product() {
    mkdir -p "$1"
    cat > "$1/layout.toml" <<'TOML'
name = "bench"
title = "Benchmark"
[[role]]
name = "Engineering SME"
[[slot]]
id = "design-outputs.source"
folder = "Design Outputs/Source Code"
title = "Source"
required = true
fill = ["git"]
[[slot]]
id = "design-outputs.image"
folder = "Design Outputs/Installation Image"
title = "Image"
required = false
fill = ["images"]
[[slot]]
id = "records.data"
folder = "Release Record/Data"
title = "Data"
required = true
fill = ["files"]
TOML
    for slot in mdf.software-specifications mdf.build-process mdf.acceptance-criteria; do
        cat >> "$1/layout.toml" <<TOML
[[slot]]
id = "$slot"
folder = "Device Master Record/$slot"
title = "$slot"
required = true
fill = ["files"]
TOML
    done
    cat > "$1/dhfpack.toml" <<TOML
layout = "./layout.toml"
[product]
name = "Bench"
id = "bench"
manufacturer = "Bench"
[release]
version = "1.0.0"
[[folder]]
name = "data"
path = "$1.data"
[[slot]]
id = "records.data"
files = ["data:**"]
TOML
    [ -z "$2" ] || printf '[[image]]\nname = "install"\nsource = "%s"\n' "$2" >> "$1/dhfpack.toml"
    for slot in mdf.software-specifications mdf.build-process mdf.acceptance-criteria; do
        printf '[[slot]]\nid = "%s"\nfiles = ["record.md"]\n' "$slot" >> "$1/dhfpack.toml"
    done
    echo "A record." > "$1/record.md"
    git -C "$1" init -q
    git -C "$1" add .
    git -C "$1" -c user.name=bench -c user.email=bench@example.org commit -qm "Begin"
    git -C "$1" -c user.name=bench -c user.email=bench@example.org tag -am "1.0.0" v1.0.0
}

image() { # NAME BYTES_PER_LAYER
    docker image inspect "$1" >/dev/null 2>&1 && return
    mkdir -p "$dir/context"
    random_file "$dir/context/first" "$2"
    random_file "$dir/context/second" "$2"
    printf 'FROM scratch\nCOPY first /first\nCOPY second /second\n' > "$dir/context/Dockerfile"
    DOCKER_BUILDKIT=0 docker build -q -t "$1" "$dir/context" >/dev/null 2>&1
    rm -r "$dir/context"
}

key() {
    [ -e "$dir/key.pem" ] || "$dhfpack" key new --name "Bench" --role "$role" \
        --key "$dir/key.pem" --certificate "$dir/cert.pem" >/dev/null
}

build_command() { # PRODUCT OUTPUT
    echo "$dhfpack --quiet build --repo $1 --output $2 --key $dir/key.pem --certificate $dir/cert.pem --role '$role' --meaning release"
}
verify_command() { echo "$dhfpack --quiet verify $1 --trust $dir/cert.pem --require-role '$role'"; }

measure_memory() { # LABEL COMMAND
    /usr/bin/time -f '%M %O' -o "$dir/memory" sh -c "exec $2" >/dev/null 2>&1 || { echo "failed: $2" >&2; exit 1; }
    read -r kib blocks < "$dir/memory"
    echo "$1: peak $((kib / 1024)) MiB, written $((blocks / 2048)) MiB"
}

bench_verify() {
    say "verify: two files of 512 MiB and 3,000 small ones"
    if [ ! -d "$dir/many" ]; then
        product "$dir/many.product" ""
        mkdir -p "$dir/many.product.data"
        small_files "$dir/many.product.data/small" 3000
        random_file "$dir/many.product.data/one.bin" 512M
        random_file "$dir/many.product.data/two.bin" 512M
        mkdir "$dir/many"
        sh -c "$(build_command "$dir/many.product" "$dir/many")" >/dev/null
    fi
    local archive=$dir/many/bench-1.0.0
    local ours theirs both rate
    ours=$(wall "$(verify_command "$archive")")
    theirs=$(wall "cd $archive && sha256sum -c --quiet Manifest/SHA256SUMS")
    both=$(openssl_speed 2)
    rate=$(python3 -c "print(2**30 / $ours)")
    echo "dhfpack verify ${ours}s, sha256sum -c ${theirs}s: ratio $(ratio "$ours" "$theirs") (goal 0.33)"
    echo "rate $(ratio "$rate" "$both") of openssl speed on two cores (goal 0.8)"

    say "verify: one file of 1 GiB"
    if [ ! -d "$dir/single" ]; then
        product "$dir/single.product" ""
        mkdir -p "$dir/single.product.data"
        random_file "$dir/single.product.data/one.bin" 1G
        mkdir "$dir/single"
        sh -c "$(build_command "$dir/single.product" "$dir/single")" >/dev/null
    fi
    ours=$(wall "$(verify_command "$dir/single/bench-1.0.0")")
    rate=$(python3 -c "print(2**30 / $ours)")
    echo "dhfpack verify ${ours}s: rate $(ratio "$rate" "$(openssl_speed 1)") of openssl speed on one core (goal 0.8)"
}

bench_build() {
    say "build: image of 1 GiB in two layers, from the engine"
    image bench-1g:1.0.0 512M
    if [ ! -d "$dir/build.product" ]; then
        product "$dir/build.product" "docker:bench-1g:1.0.0"
        mkdir -p "$dir/build.product.data"
        small_files "$dir/build.product.data/small" 100
    fi
    local ours save stock speed allowed
    ours=$(wall "$(build_command "$dir/build.product" "$dir/built")" "rm -rf $dir/built; mkdir $dir/built; sync")
    save=$(wall "docker save -o $dir/saved.tar bench-1g:1.0.0" "rm -f $dir/saved.tar; sync")
    cat > "$dir/stock.sh" <<SH
set -e
mkdir -p $dir/stock
docker save -o $dir/stock/image.tar bench-1g:1.0.0
git -C $dir/build.product bundle create -q $dir/stock/repository.bundle v1.0.0
git -C $dir/build.product archive v1.0.0 | gzip -6 > $dir/stock/source.tar.gz
cp -r $dir/build.product.data $dir/stock/data
cd $dir/stock && find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS
openssl cms -sign -binary -in SHA256SUMS -outform DER -signer $dir/cert.pem -inkey $dir/key.pem -out SHA256SUMS.p7s
SH
    stock=$(wall "sh $dir/stock.sh" "rm -rf $dir/stock; sync")
    speed=$(openssl_speed 1)
    allowed=$(python3 -c "print($save + 0.7 * 2**30 / $speed)")
    echo "dhfpack build ${ours}s; docker save ${save}s; allowed (docker save + 0.7 x SHA-256 of the image) ${allowed}s: ratio $(ratio "$ours" "$allowed") (goal 1.00)"
    echo "stock tools one after the other ${stock}s: ratio $(ratio "$ours" "$stock") (goal 0.65)"
    rm -rf "$dir/saved.tar" "$dir/stock" "$dir/built"
}

bench_memory() {
    say "memory and disk: image of 4 GiB in two layers"
    image bench-4g:1.0.0 2G
    if [ ! -d "$dir/memory.product" ]; then
        product "$dir/memory.product" "docker:bench-4g:1.0.0"
        mkdir -p "$dir/memory.product.data"
        small_files "$dir/memory.product.data/small" 100
    fi
    rm -rf "$dir/large"
    mkdir "$dir/large"
    measure_memory "build" "$(build_command "$dir/memory.product" "$dir/large")"
    echo "archive: $(du -sm "$dir/large/bench-1.0.0" | cut -f 1) MiB"
    measure_memory "verify" "$(verify_command "$dir/large/bench-1.0.0")"
    rm -rf "$dir/large"
    docker image rm -f bench-4g:1.0.0 >/dev/null
}

documents() { # COUNT
    [ ! -d "$dir/docs-$1.product" ] || return 0
    product "$dir/docs-$1.product" ""
    mkdir -p "$dir/docs-$1.product.data"
    small_files "$dir/docs-$1.product.data/small" "$1"
}

bench_documents() {
    say "documents: time per file"
    local per_file=()
    for count in 1000 100000; do
        documents "$count"
        # Into a new folder each time: ext4 is slow to hand out inodes that were just freed.
        local began
        began=$(date +%s.%N)
        for run in 1 2; do
            sh -c "$(build_command "$dir/docs-$count.product" "$dir/docs/$count-$run")" >/dev/null
        done
        local ours
        ours=$(python3 -c "import time; print((time.time() - $began) / 2)")
        per_file+=("$(python3 -c "print($ours / $count * 1e6)")")
        echo "$count files: ${ours}s, ${per_file[-1]} microseconds each"
    done
    rm -rf "$dir/docs"
    echo "time per file, 100,000 against 1,000: ratio $(ratio "${per_file[1]}" "${per_file[0]}") (goal 1.00)"
}

# A product whose repository is made by benches/repository.py: PRODUCT WHAT SIZE...
made_product() {
    [ ! -d "$1" ] || return 0
    product "$1.config" ""
    mkdir -p "$1.config.data" "$1.data"
    echo "A record." > "$1.data/record.txt"
    sed -i "s|$1.config.data|$1.data|" "$1.config/dhfpack.toml"
    git init -q --bare -b main "$1"
    CONFIG=$1.config python3 benches/repository.py "${@:2}" | git -C "$1" fast-import --quiet
    # As whoever hosts a repository keeps it: fast-import compares each file with the one before it
    # alone, and its manual asks for this.
    [ "$2" = history ] || git -C "$1" repack -adfq
}

# Mean seconds of one step of a build: PRODUCT STEP
step() {
    for run in $(seq "$runs"); do
        rm -rf "$dir/step"
        mkdir "$dir/step"
        sync
        sh -c "$(build_command "$1" "$dir/step" | sed 's/--quiet/--progress json/')" 2>"$dir/step.json" >/dev/null
        python3 - "$dir/step.json" "$2" <<'PY'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
ids = [event["id"] for event in events if event["event"] == "task" and event["name"] == sys.argv[2]]
print(sum(event["seconds"] for event in events if event["event"] == "end" and event["id"] in ids))
PY
    done | awk '{ sum += $1 } END { print sum / NR }'
}

# The largest resident set of one process, not of those it starts: sampled from its high-water mark.
own_memory() { # LABEL COMMAND
    sh -c "exec $2" >/dev/null 2>&1 &
    local process=$! peak=0 now
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$process/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.05
    done
    wait "$process" || { echo "failed: $2" >&2; exit 1; }
    echo "$1: peak of its own process $((peak / 1024)) MiB (goal 64)"
}

bench_git() {
    say "git: source tree of 500 MiB"
    made_product "$dir/tree.product" tree 500
    local ours theirs repository=$dir/tree.product
    ours=$(step "$repository" "source tree")
    theirs=$(wall "git -C $repository archive v1.0.0 | gzip -6 > $dir/source.tar.gz")
    echo "dhfpack's source tree ${ours}s, git archive | gzip -6 ${theirs}s: ratio $(ratio "$ours" "$theirs") (goal 0.30)"
    echo "size $(stat -c %s "$dir/step/bench-1.0.0/Design Outputs/Source Code/source-tree.tar.gz") against $(stat -c %s "$dir/source.tar.gz") bytes"

    local commits=${COMMITS:-100000} mib=${HISTORY_MIB:-0}
    say "git: history of $commits commits and $mib MiB of data"
    repository=$dir/history-$commits-$mib.product
    made_product "$repository" history "$commits" "$mib"
    rm -rf "$dir/history"
    mkdir "$dir/history"
    own_memory "build" "$(build_command "$repository" "$dir/history")"
    ours=$(wall "$(build_command "$repository" "$dir/history")" "rm -rf $dir/history; mkdir $dir/history")
    # What dhfpack asks of git so that the bytes are stable.
    theirs=$(wall "git -C $repository -c pack.threads=1 -c pack.compression=6 -c pack.window=10 -c pack.depth=50 \
        -c pack.useBitmaps=false -c core.bigFileThreshold=32m bundle create -q $dir/history.bundle v1.0.0")
    echo "dhfpack build ${ours}s, git bundle create on one thread ${theirs}s: ratio $(ratio "$ours" "$theirs")"
    rm -rf "$dir/step" "$dir/history" "$dir/source.tar.gz" "$dir/history.bundle"
}

bench_image() {
    command -v skopeo >/dev/null || { echo "skipped: no skopeo"; return; }
    say "image: export of 1 GiB in two layers, from the engine"
    image bench-1g:1.0.0 512M
    if [ ! -d "$dir/build.product" ]; then
        product "$dir/build.product" "docker:bench-1g:1.0.0"
        mkdir -p "$dir/build.product.data"
        small_files "$dir/build.product.data/small" 100
    fi
    local ours stock
    ours=$(wall "$(build_command "$dir/build.product" "$dir/built")" "rm -rf $dir/built; mkdir $dir/built; sync")
    stock=$(wall "skopeo copy -q docker-daemon:bench-1g:1.0.0 oci-archive:$dir/skopeo.tar && sha256sum $dir/skopeo.tar" \
        "rm -f $dir/skopeo.tar; sync")
    echo "dhfpack build ${ours}s, skopeo copy and sha256sum ${stock}s: ratio $(ratio "$ours" "$stock") (goal 0.50)"
    rm -rf "$dir/skopeo.tar" "$dir/built"
}

# What stock tools need for the same layers: PORT REPOSITORY
pull_script() {
    local address=http://127.0.0.1:$1/v2/$2 accept=application/vnd.oci.image.manifest.v1+json
    curl -sf -H "Accept: $accept, application/vnd.docker.distribution.manifest.v2+json" "$address/manifests/1" \
        | python3 -c 'import json, sys
for layer in json.load(sys.stdin)["layers"]:
    print(layer["digest"], layer["mediaType"])' > "$dir/layers.txt"
    while read -r digest _; do
        echo "curl -sf $address/blobs/$digest | tee $dir/pulled/${digest#*:} | sha256sum >/dev/null &"
    done < "$dir/layers.txt"
    echo "wait; sync $dir/pulled/*"
}

# A product's image from a registry: SERVER PORT REPOSITORY
registry_image() {
    local repository=$dir/$1-$2-$3.product ours speed stock source
    if [ ! -d "$repository" ]; then
        mkdir -p "$repository.data"
        small_files "$repository.data/small" 100
        product "$repository" "registry:127.0.0.1:$2/$3:1"
    fi
    pull_script "$2" "$3" > "$dir/pull.sh"
    echo "from $1, layers $3: $(cut -d ' ' -f 2 "$dir/layers.txt" | sort | uniq -c)"
    ours=$(wall "$(build_command "$repository" "$dir/built")" "rm -rf $dir/built; mkdir $dir/built; sync")
    source=$(step "$repository" image)
    speed=$(openssl_speed 1)
    stock=$(wall "sh $dir/pull.sh" "rm -rf $dir/pulled; mkdir $dir/pulled; sync")
    echo "the source alone ${source}s: rate $(ratio "$(python3 -c "print(2**30 / $source)")" "$speed") of openssl speed on one core (goal 0.8)"
    echo "the whole build ${ours}s: rate $(ratio "$(python3 -c "print(2**30 / $ours)")" "$speed")"
    echo "curl of all layers at once, each through tee to sha256sum, and sync: ${stock}s: rate $(ratio "$(python3 -c "print(2**30 / $stock)")" "$speed")"
    rm -rf "$dir/built"
    mkdir "$dir/built"
    measure_memory "build" "$(build_command "$repository" "$dir/built")"
    rm -rf "$dir/built" "$dir/pulled" "$dir/step"
}

# Begins to serve what a registry has stored, by a server that leaves the copying to the kernel:
# PORT REGISTRY_PORT REPOSITORY...
static_registry() {
    local port=$1 registry=$2 blobs=$dir/registry/docker/registry/v2/blobs/sha256 digest
    local manifest=application/vnd.docker.distribution.manifest.v2+json
    shift 2
    {
        echo "user root; worker_processes auto; pid $dir/nginx.pid; error_log $dir/nginx.log; events {}"
        echo "http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream"
        echo "; server { listen 127.0.0.1:$port; location = /v2/ { return 200; }"
        echo "location ~ ^/v2/[a-z]+/blobs/sha256:((..).*)$ { alias $blobs/\$2/\$1/data; }"
        for repository; do
            digest=$(curl -sf -H "Accept: $manifest" "http://127.0.0.1:$registry/v2/$repository/manifests/1" | sha256sum)
            echo "location = /v2/$repository/manifests/1 { default_type $manifest; alias $blobs/${digest:0:2}/${digest:0:64}/data; }"
        done
        echo "} }"
    } > "$dir/nginx.conf"
    rm -f "$dir/nginx.pid"
    nginx -c "$dir/nginx.conf" -e "$dir/nginx.log"
    until [ -s "$dir/nginx.pid" ]; do sleep 0.1; done
}

bench_registry() {
    # Where Debian has nginx is not on everybody's path.
    local PATH=$PATH:/usr/sbin
    for program in skopeo docker-registry nginx curl; do
        command -v "$program" >/dev/null || { echo "skipped: no $program"; return; }
    done
    say "registry: image of 1 GiB in two layers, over loopback"
    image bench-1g:1.0.0 512M
    local port=${REGISTRY_PORT:-5917}
    cat > "$dir/registry.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $dir/registry } }
http: { addr: "127.0.0.1:$port", secret: bench }
YAML
    OTEL_TRACES_EXPORTER=none docker-registry serve "$dir/registry.yml" >/dev/null 2>&1 &
    local process=$!
    # shellcheck disable=SC2064 # this process, whatever the name stands for later
    trap "kill $process" EXIT
    sleep 2
    # To a folder first: there layers are as they were, and may stay so on their way to the registry.
    rm -rf "$dir/layers"
    skopeo copy -q docker-daemon:bench-1g:1.0.0 "dir:$dir/layers"
    # Packed ones first: skopeo would take plain ones that the registry has already instead.
    skopeo copy -q --dest-compress --dest-compress-format gzip --dest-tls-verify=false \
        "dir:$dir/layers" "docker://127.0.0.1:$port/gzip:1"
    skopeo copy -q --preserve-digests --dest-tls-verify=false "dir:$dir/layers" "docker://127.0.0.1:$port/plain:1"
    rm -rf "$dir/layers"
    static_registry "$((port + 2))" "$port" plain gzip
    # shellcheck disable=SC2064 # as above
    trap "kill $process $(cat "$dir/nginx.pid")" EXIT
    for form in plain gzip; do
        registry_image docker-registry "$port" "$form"
        registry_image nginx "$((port + 2))" "$form"
    done
    kill "$process" "$(cat "$dir/nginx.pid")"
    trap - EXIT
    rm -rf "$dir/registry"
}

# The command that puts an empty folder in the place of one, with the archive in the page cache.
# What was there stays until the end: ext4 is slow to hand out inodes that were just freed.
fresh() { # FOLDER ARCHIVE
    echo "mkdir -p $1 $dir/aside; mv $1 $dir/aside/\$(date +%s%N); mkdir $1; sync; find $2 -type f -exec cat {} + >/dev/null"
}

# Ours beside a stock tool: WHAT OURS TOOL_NAME TOOL PREPARE
beside() {
    local ours theirs
    ours=$(wall "$2" "$5")
    theirs=$(wall "$4" "$5")
    echo "$1: dhfpack ${ours}s, $3 ${theirs}s: ratio $(ratio "$ours" "$theirs") (goal 0.8)"
}

# A server of S3 on loopback, for the rest of this program's part.
start_s3() {
    mkdir -p "$dir/s3"
    # rclone takes no bundle of certificates from Amazon's variable.
    unset AWS_CA_BUNDLE
    export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=benchbench AWS_REGION=us-east-1
    target/tools/bin/s3s-fs --host 127.0.0.1 --port "${S3_PORT:-5918}" --access-key bench \
        --secret-key benchbench "$dir/s3" >"$dir/s3.log" 2>&1 &
    # shellcheck disable=SC2064 # this process, whatever the name stands for later
    trap "kill $!" EXIT
    sleep 1
    endpoint=http://127.0.0.1:${S3_PORT:-5918}
}

stop_s3() {
    kill %%
    trap - EXIT
    rm -rf "$dir/s3"
}

bench_objects() {
    local runs=1 port=${S3_PORT:-5918} listed=() verified=() count at
    say "objects: an archive in a store listed, and verified"
    export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=benchbench AWS_REGION=us-east-1
    for count in 10000 100000; do
        documents "$count"
        mkdir -p "$dir/objects/$count"
        sh -c "$(build_command "$dir/docs-$count.product" "$dir/objects/$count")" >/dev/null
        python3 benches/objects.py "$port" "$dir/objects/$count" &
        # shellcheck disable=SC2064 # this process, whatever the name stands for later
        trap "kill $!" EXIT
        sleep 3
        at="s3://bench/bench-1.0.0?endpoint=http://127.0.0.1:$port"
        # It ends with an error: nothing was published here.
        listed+=("$(wall "$dhfpack --quiet status '$at' || true")")
        verified+=("$(wall "$(verify_command "'$at'")")")
        echo "$count objects: listed in ${listed[-1]}s, verified in ${verified[-1]}s"
        measure_memory "verify" "$(verify_command "'$at'")"
        kill %%
        trap - EXIT
        sleep 1
    done
    ten() { python3 -c "print(10 * $1)"; }
    echo "100,000 against ten times 10,000: listed $(ratio "${listed[1]}" "$(ten "${listed[0]}")"), verified $(ratio "${verified[1]}" "$(ten "${verified[0]}")") (goal 1.00)"
    rm -rf "$dir/objects"
}

bench_store() {
    for program in rclone aws target/tools/bin/s3s-fs; do
        command -v "$program" >/dev/null || { echo "skipped: no $program"; return; }
    done
    say "store: archive of 1 GiB in 3,000 files, S3 on loopback"
    local repository=$dir/store.product archive=$dir/store/bench-1.0.0
    if [ ! -d "$archive" ]; then
        mkdir -p "$repository.data/large" "$dir/store"
        for part in 1 2; do random_file "$repository.data/large/$part.bin" 256M; done
        python3 - "$repository.data/small" <<'PY'
import os, sys
for i in range(2980):
    folder = f"{sys.argv[1]}/{i // 100:02}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{i:04}.bin", "wb") as f:
        f.write(os.urandom(180_000))
PY
        product "$repository" ""
        eval "$(build_command "$repository" "$dir/store")" >/dev/null
    fi
    local endpoint
    start_s3
    local to="s3://bench/line?endpoint=$endpoint" at="s3://bench/line/bench-1.0.0?endpoint=$endpoint"
    local rclone="rclone --config /dev/null --s3-provider Other --s3-env-auth --s3-region us-east-1 --s3-endpoint $endpoint"
    local aws="aws --endpoint-url $endpoint s3 cp --recursive --quiet"
    local ours="$dhfpack --quiet upload $archive --to '$to'"
    local empty clean
    empty=$(fresh "$dir/s3/bench" "$archive")
    clean=$(fresh "$dir/fetched" "$dir/s3/bench")
    beside upload "$ours" "rclone copy" "$rclone copy $archive :s3:bench/line/bench-1.0.0" "$empty"
    beside upload "$ours" "aws s3 cp" "$aws $archive s3://bench/line/bench-1.0.0" "$empty"
    eval "$empty"
    measure_memory "upload" "$ours"
    ours="$dhfpack --quiet fetch '$at' $dir/fetched"
    beside download "$ours" "rclone copy" "$rclone copy :s3:bench/line/bench-1.0.0 $dir/fetched/copy" "$clean"
    beside download "$ours" "aws s3 cp" "$aws s3://bench/line/bench-1.0.0 $dir/fetched/copy" "$clean"
    eval "$clean"
    measure_memory "fetch" "$ours"
    stop_s3
    rm -rf "$dir/fetched" "$dir/aside"
}

say "machine"
uname -sr
grep -m 1 'model name' /proc/cpuinfo || true
nproc
openssl version
git --version
docker version --format 'Docker Engine {{.Server.Version}}' 2>/dev/null || true
key
for part in $parts; do "bench_$part"; done
