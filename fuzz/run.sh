#!/usr/bin/env bash
# Fuzzes every target for some seconds each (5 unless said otherwise), or only those that are named:
#
#     fuzz/run.sh 60 slug archive
#
# It starts from corpus/ and from the fixtures, and ends with an error at the first input that makes a target fail;
# that is left in artifacts/. Stable Rust is enough: there is no sanitizer, as the crate has no unsafe code, and what
# libFuzzer needs to see which code was reached is a pass of LLVM. `cargo fuzz` runs the same targets.
# With KEEP=1, what was found is merged into corpus/.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-5}
shift || true
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)

host=$(rustc -vV | sed -n 's/^host: //p')
# As `cargo fuzz` has them. Given by --target, so that build scripts and macros don't get them.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=--simplifycfg-branch-fold-threshold=0 -Ccodegen-units=16"
cargo build --locked --release --target "$host"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Seeds of the fixtures. Two files in one have a NUL byte between them.
seed() { mkdir -p "$work/seeds/$1" && cat >"$work/seeds/$1/$(sha256sum <<<"$2" | cut -c1-16)"; }
each() { # target, name of the files
    find ../fixtures -name "$2" -type f -size -64k | while read -r file; do seed "$1" "$file" <"$file"; done
}
pair() { # target, name of the files, name of the files beside them
    find ../fixtures -name "$2" -type f -size -64k | while read -r file; do
        { cat "$file"; printf '\0'; cat "$(dirname "$file")/$3" 2>/dev/null || true; } | seed "$1" "$file"
    done
}
each requirements 'requirements*.txt'
each procfile Procfile
each version_files .python-version
each version_files runtime.txt
each pyproject pyproject.toml
pair pipfile Pipfile.lock Pipfile
pair poetry poetry.lock pyproject.toml
pair pdm pdm.lock pyproject.toml
find ../fixtures -name '*.py' -size -16k | while read -r file; do
    { printf 'web: gunicorn app:app\n\0'; cat "$file"; } | seed check "$file"
done
for fixture in flask-getting-started hooks; do
    # The first byte says how the rest is packed.
    { printf '\1'; tar c --transform 's,^\.,./app,' -C "../fixtures/$fixture" .; } | seed slug "$fixture"
    { printf '\1'; tar c -C "../fixtures/$fixture" .; } | seed archive "$fixture"
    { printf '\0'; tar cz -C "../fixtures/$fixture" .; } | seed slug "$fixture-gz"
    { printf '\0'; tar cz -C "../fixtures/$fixture" .; } | seed archive "$fixture-gz"
done
seed elf true <"$(type -P true)"

fuzz() {
    local target=$1 length=16384
    case $target in elf) length=65536 ;; url | version_files | index_file) length=1024 ;; esac
    mkdir -p "$work/found/$target" "$work/seeds/$target" "corpus/$target" "artifacts/$target"
    # Not the system's directory for temporary files: it would be full of what a target that fails has left.
    TMPDIR=$work "target/$host/release/$target" "$work/found/$target" "corpus/$target" "$work/seeds/$target" \
        -max_total_time="$seconds" -max_len=$length -timeout=20 -rss_limit_mb=2048 -artifact_prefix="artifacts/$target/" \
        -print_final_stats=1 -verbosity=1 >"$work/$target.log" 2>&1 || {
        tail -n 40 "$work/$target.log"
        echo "fuzz: $target failed"
        return 1
    }
    awk -v target="$target" '/^#.* cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
        /^stat::number_of_executed_units:/ { runs = $2 } /^stat::peak_rss_mb:/ { rss = $2 }
        END { printf "fuzz: %-14s %9d runs, %6d edges, %4d MB\n", target, runs, cov, rss }' "$work/$target.log"
    if [ -n "${KEEP:-}" ]; then
        "target/$host/release/$target" -set_cover_merge=1 -max_len=1024 "corpus/$target" "$work/found/$target" >/dev/null 2>&1
    fi
}

# As many at once as there are cores.
failed=0 running=0
for target in "${targets[@]}"; do
    if ((running >= $(nproc))); then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz "$target" &
    running=$((running + 1))
done
while ((running > 0)); do
    wait -n || failed=1
    running=$((running - 1))
done
exit "$failed"
