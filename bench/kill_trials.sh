#!/usr/bin/env bash
# kill -9 of the driver or a node, or SIGSTOP for 1 to 60 s, at drawn moments of a small run over JVMs (troupe launch --local, so over TLS). A run goes on by itself
# but for one whose driver was killed, which is resumed; each must have the bytes of a run that nobody touched. Prints a line per trial and the counts.
#   bench/kill_trials.sh [TRIALS] [SEED]
#   KINDS   what may be done, of "kill stop", the default;  TROUPE  the command, default ./troupe;  NODES  beside the driver, default 3;  ROLLOUTS  further ones, default 2;  TRIALS_DIR  where the runs go, default a new directory
set -uo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
trials=${1:-30}
seed=${2:-$(date +%s)}
troupe=${TROUPE:-$home/troupe}
work=${TRIALS_DIR:-$(mktemp -d)}
mkdir -p "$work"
RANDOM=$((seed % 32768))
echo "seed $seed, $trials trials, in $work"

launch() { # DIR [--resume]
  local dir=$1
  shift
  # In the place of the shell, so that its process is the driver's.
  exec "$troupe" launch --local "${NODES:-3}" --rollouts "${ROLLOUTS:-2}" "$home/configs/quickstart.conf" "$@" \
    --set "output=\"$dir\"" --set "model=\"$home/configs/quickstart-base\"" --set dashboard.enabled=false \
    --set quickstart.answered=192 --set quickstart.preferences=160 --set quickstart.prompts=160 \
    --set ppo.iterations=3 --set ppo.prompts-per-iteration=32 --set ppo.evaluation.held-out=16 --set checkpoints.every-steps=1
}

differs() { # DIR
  for stage in sft reward policy; do
    cmp -s "$1/$stage/adapter_model.safetensors" "$work/straight/$stage/adapter_model.safetensors" || return 0
  done
  return 1
}

started=$(date +%s%N)
(launch "$work/straight") >"$work/straight.log" 2>&1 || { cat "$work/straight.log"; echo "the run that nobody touches failed"; exit 1; }
length=$((($(date +%s%N) - started) / 1000000))
echo "untouched: $length ms"

nodes=$((${NODES:-3} + ${ROLLOUTS:-2}))
equal=0 late=0 wrong=0 byhand=0
for ((i = 1; i <= trials; i++)); do
  dir=$work/run-$i
  log=$work/run-$i.log
  moment=$(((RANDOM * 32768 + RANDOM) % length))
  victim=$((RANDOM % (nodes + 1)))
  kinds=(${KINDS:-kill stop})
  kind=${kinds[$((RANDOM % ${#kinds[@]}))]}
  pause=$((1 + RANDOM % 60))
  begun=$(date +%s%N)
  launch "$dir" >"$log" 2>&1 &
  driver=$!
  sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
  pid=$driver who=driver
  if [ "$victim" -lt "$nodes" ]; then
    node=$(sed -n 's/^node \([a-z0-9-]*\): process \([0-9]*\)$/\1 \2/p' "$log" | sed -n "$((victim + 1))p")
    if [ -n "$node" ]; then
      pid=${node#* } who="node ${node% *}"
    fi
  fi
  if [ "$kind" = stop ]; then signal=-STOP did="stopped for $pause s"; else signal=-KILL did=killed; fi
  if ! kill "$signal" "$pid" 2>/dev/null; then
    late=$((late + 1)) who="nobody ($who had ended)"
  elif [ "$kind" = stop ]; then
    # A run that is over in the meantime needs no waiting for.
    timeout "$pause" tail --pid="$driver" -f /dev/null
    kill -CONT "$pid" 2>/dev/null
  fi
  wait "$driver" 2>/dev/null
  resumes=0
  while ! grep -qs "\"outcome\" : \"completed\"" "$dir/summary.json" && [ $resumes -lt 3 ]; do
    resumes=$((resumes + 1))
    if [ -e "$dir/identity.json" ]; then
      (launch "$dir" --resume) >>"$log" 2>&1
    else
      # Killed before there was a run.
      rm -rf "$dir"
      (launch "$dir") >>"$log" 2>&1
    fi
  done
  took=$((($(date +%s%N) - begun) / 1000000))
  if { [ "$who" != driver ] || [ "$kind" = stop ]; } && [ $resumes -gt 0 ]; then byhand=$((byhand + 1)); fi
  if differs "$dir"; then
    wrong=$((wrong + 1)) result=DIFFERENT
  else
    equal=$((equal + 1)) result=equal
    rm -rf "$dir"
  fi
  echo "trial $i: $did $who after $moment ms, resumed $resumes times, $took ms in all: $result"
done
echo "seed $seed: $trials trials, $equal equal, $wrong different, $byhand resumed though the driver lived, $late of them came after the end"
[ "$wrong" -eq 0 ]
