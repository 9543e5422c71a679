#!/usr/bin/env bash
# The kernels' checks under the address and undefined-behaviour sanitizers, on shapes and lengths drawn at random; any finding ends it with an error.
#
#   native/fuzz.sh [SECONDS [SEED]]      300 seconds by default
set -euo pipefail
SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -g1" OUT=target/cpp/fuzz "$(dirname "${BASH_SOURCE[0]}")/build.sh" --check "${1:-300}" ${2:+"$2"}
