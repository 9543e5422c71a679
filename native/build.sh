#!/usr/bin/env bash
# Builds the library of operators (src/main/cpp) for this machine's platform, with Debian's g++ and the headers and libraries of libtorch:
#
#   native/build.sh              into native/src/main/resources, from where it goes into the module's jar
#   native/build.sh --check      the kernels' checks (src/test/cpp) alone, which need no libtorch
#
# TORCH_HOME  the directory of an installed torch of the version below; by default that of `python3 -c 'import torch'` (pip install torch==2.7.1)
# GLOO_HOME   the directory that has include/gloo: libtorch has Gloo and not its headers. By default that of Debian's libgloo-dev, /usr
# CXX         the compiler, g++ 12 by default; PLATFORM  linux-x86_64 or linux-aarch64, by default this machine's
# RUN         what runs another platform's checks: CXX="aarch64-linux-gnu-g++ -static" RUN="qemu-aarch64 -cpu max" PLATFORM=linux-aarch64 native/build.sh --check
#
# The source and this file, which holds the flags, are hashed; the library and the properties beside it say the hash, and a test compares it with the files'.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"

TORCH_VERSION=2.7.1
# The newest symbols of glibc and libstdc++ that the library may need: those that DJL's build of libtorch needs itself.
GLIBC=2.29
GLIBCXX=3.4.26
CXX=${CXX:-g++}
PLATFORM=${PLATFORM:-linux-$(uname -m)}
GLOO_HOME=${GLOO_HOME:-/usr}
OUT=${OUT:-target/cpp/$PLATFORM}
TO=src/main/resources/troupe-native/$PLATFORM

# No exceptions to the order of operations within a row: contraction to fused products is one choice per instruction set (none in plain, whose way of rounding it
# would change where the processor has them), nothing is reassociated. GCC's own intrinsics warn of undefined numbers that they do not use.
COMMON="-std=c++17 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -Wall -Wextra -Werror"
KERNELS="$COMMON -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wno-psabi -Wno-maybe-uninitialized"
# Regions of several threads are compiled in, but no OpenMP is linked: its symbols are those of the libgomp that libtorch has brought, so that there is one pool.
OPERATORS="$COMMON -O2 -ffp-contract=off -fopenmp -D_GLIBCXX_USE_CXX11_ABI=1"
# now: a symbol that libtorch lacks is found when the library is loaded, not in the middle of a step.
LINK="-shared -Wl,--gc-sections -Wl,--exclude-libs,ALL -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now -s"

case $PLATFORM in
  linux-x86_64) SETS=("avx512 -march=x86-64-v4 -mavx512vnni -mprefer-vector-width=512" "avx2 -march=x86-64-v3" "plain -march=x86-64 -O2 -ffp-contract=off") ;;
  linux-aarch64) SETS=("i8mm -march=armv8.2-a+dotprod+i8mm" "dotprod -march=armv8.2-a+dotprod" "plain -march=armv8-a -O2 -ffp-contract=off") ;;
  *) echo "no flags for $PLATFORM: linux-x86_64 or linux-aarch64" >&2; exit 2 ;;
esac

mkdir -p "$OUT"
source=$(cat build.sh src/main/cpp/* | sha256sum | cut -d' ' -f1)
objects=()
for set in "${SETS[@]}"; do
  name=${set%% *}
  for part in kernels blocks passes; do
    # shellcheck disable=SC2086
    $CXX $KERNELS ${set#* } ${SANITIZE:-} -DSET="$name" -c "src/main/cpp/$part.cpp" -o "$OUT/$part-$name.o"
    objects+=("$OUT/$part-$name.o")
  done
done
# shellcheck disable=SC2086
for file in processors team; do
  $CXX $KERNELS ${SANITIZE:-} -c "src/main/cpp/$file.cpp" -o "$OUT/$file.o"
  objects+=("$OUT/$file.o")
done

if [ "${1:-}" = --check ]; then
  for part in passes kernels; do
    # shellcheck disable=SC2086
    $CXX $KERNELS -fno-tree-vectorize ${SANITIZE:-} "src/test/cpp/check_$part.cpp" "${objects[@]}" -o "$OUT/check-$part"
    ${RUN:-} "$OUT/check-$part" "${@:2}"
  done
  exit
fi

TORCH_HOME=${TORCH_HOME:-$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))' || true)}
found=$(sed -n 's/^ *"\([0-9.]*\)"$/\1/p' "$TORCH_HOME/include/torch/csrc/api/include/torch/version.h" 2>/dev/null || true)
[ "$found" = "$TORCH_VERSION" ] || {
  echo "libtorch $TORCH_VERSION is needed, '$TORCH_HOME' has '${found:-none}': set TORCH_HOME to the directory of an installed torch==$TORCH_VERSION" >&2
  exit 2
}
[ -f "$GLOO_HOME/include/gloo/context.h" ] || {
  echo "Gloo's headers are needed, '$GLOO_HOME/include' has none: install Debian's libgloo-dev, or set GLOO_HOME" >&2
  exit 2
}
GLOO=$([ "$GLOO_HOME" = /usr ] || echo "-isystem $GLOO_HOME/include")
for file in operators teams training held between attention groups; do
  # shellcheck disable=SC2086
  $CXX $OPERATORS -DTROUPE_SOURCE="\"$source\"" -isystem "$TORCH_HOME/include" -isystem "$TORCH_HOME/include/torch/csrc/api/include" \
    $GLOO -DUSE_C10D_GLOO \
    -c "src/main/cpp/$file.cpp" -o "$OUT/$file.o"
  objects+=("$OUT/$file.o")
done
# shellcheck disable=SC2086
$CXX $LINK -o "$OUT/libtroupe.so" "${objects[@]}" -L"$TORCH_HOME/lib" -ltorch_cpu -lc10

# A newer system's symbols would keep the library from loading where libtorch loads.
for most in "GLIBC_$GLIBC" "GLIBCXX_$GLIBCXX"; do
  newest=$(objdump -T "$OUT/libtroupe.so" | grep -oE "${most%%_*}_[0-9.]+" | sort -V | tail -1)
  [ "$(printf '%s\n' "$newest" "$most" | sort -V | tail -1)" = "$most" ] || {
    echo "the library needs $newest, at most $most may be needed: $(objdump -T "$OUT/libtroupe.so" | grep -F "($newest)" | awk '{print $NF}' | xargs)" >&2
    exit 2
  }
done
mkdir -p "$TO"
cp "$OUT/libtroupe.so" "$TO"
cat >"$TO/library.properties" <<EOF
# Written by native/build.sh.
torch=$TORCH_VERSION
source=$source
sha256=$(sha256sum "$TO/libtroupe.so" | cut -d' ' -f1)
EOF
ls -l "$TO"
