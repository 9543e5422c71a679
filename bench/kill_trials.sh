#!/usr/bin/env bash
# Something happens to one process of a small run over JVMs at a drawn moment: kill -9, SIGSTOP for 1 to 60 s, or its host is cut off for 1 to 60 s. Each run must end by itself, without
# --resume, in the bytes and with the account of samples of a run that nobody touched. Prints a line per trial, and writes trials.tsv (one line each) and times.tsv (recovery by kind and target).
#   bench/kill_trials.sh [TRIALS] [SEED]
#   KINDS       what may happen, of "kill stop partition"; default "kill stop". partition needs root: each host is a network namespace, all on a bridge, and is cut off from it
#   ALGORITHMS  what may be trained, of "ppo grpo", the default
#   NODES       beside the driver, default 2;  ROLLOUTS  further ones that answer prompts, default 1
#   TROUPE      the command, default ./troupe;  TRIALS_DIR  where the runs go, default a new directory
set -uo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
trials=${1:-30}
seed=${2:-$(date +%s)}
troupe=${TROUPE:-$home/troupe}
work=${TRIALS_DIR:-$(mktemp -d)}
nodes=${NODES:-2} rollouts=${ROLLOUTS:-1}
kinds=(${KINDS:-kill stop})
algorithms=(${ALGORITHMS:-ppo grpo})
mkdir -p "$work"
work=$(cd "$work" && pwd)
RANDOM=$((seed % 32768))
echo "seed $seed, $trials trials, in $work"

# A namespace for each host and one for the bridges between them: what is on the second one is cut off from what is on the first.
net=kt$$
hosts=$((1 + nodes + rollouts))
network() {
  ip netns add "$net-b" || return 1
  ip -n "$net-b" link add on type bridge && ip -n "$net-b" link add off type bridge || return 1
  ip -n "$net-b" link set on up && ip -n "$net-b" link set off up
  for ((h = 1; h <= hosts; h++)); do
    ip netns add "$net-$h" && ip -n "$net-b" link add "v$h" type veth peer name eth0 netns "$net-$h" || return 1
    ip -n "$net-b" link set "v$h" master on up
    ip -n "$net-$h" addr add "10.77.0.$h/24" dev eth0
    ip -n "$net-$h" link set eth0 up
    ip -n "$net-$h" link set lo up
  done
  # What ssh would do: while a host is cut off, the end of a connection does not get there.
  cat >"$work/ssh" <<STAND_IN
#!/usr/bin/env bash
host=\${1##*.}
exec 3<&0
(cat <&3; while [ -e "$work/cut-\$host" ]; do sleep 0.2; done) | setsid ip netns exec $net-\$host sh -c "\$2"
STAND_IN
  chmod +x "$work/ssh"
  roles=(policy critic judge)
  : >"$work/hosts"
  for ((h = 2; h <= 1 + nodes; h++)); do
    own=()
    for ((r = h - 2; r < 3; r += nodes)); do own+=("${roles[r]}"); done
    (IFS=, && echo "10.77.0.$h ${own[*]}") >>"$work/hosts"
  done
  for ((h = 2 + nodes; h <= hosts; h++)); do echo "10.77.0.$h rollout" >>"$work/hosts"; done
}
cleanup() {
  for namespace in $(ip netns list 2>/dev/null | sed -n "s/^\($net-[b0-9]*\).*/\1/p"); do ip netns del "$namespace"; done
}
case " ${kinds[*]} " in *" partition "*)
  trap cleanup EXIT
  network || { echo "no network namespaces here (ip netns, as root)"; exit 1; }
  ;;
esac

launch() { # ALGORITHM DIR WHERE...
  local algorithm=$1 dir=$2 configuration=quickstart.conf
  shift 2
  local -a short=(quickstart.answered=192 quickstart.preferences=160 quickstart.prompts=160
    ppo.iterations=3 ppo.prompts-per-iteration=32 ppo.evaluation.held-out=16)
  if [ "$algorithm" = grpo ]; then
    configuration=quickstart-grpo.conf
    short=(sft.epochs=1 grpo.iterations=6 grpo.prompts-per-iteration=16 grpo.answers-per-prompt=4 grpo.evaluate-every=3 grpo.evaluation.held-out=16)
  fi
  local -a set=()
  for one in "${short[@]}" "output=\"$dir\"" "model=\"$home/configs/quickstart-base\"" dashboard.enabled=false checkpoints.every-steps=1; do set+=(--set "$one"); done
  # In the place of the shell, so that its process is the one that supervises.
  local -a before=()
  if [ "$1" = --hosts ]; then before=(ip netns exec "$net-1"); fi
  exec "${before[@]}" "$troupe" launch "$@" "$home/configs/$configuration" "${set[@]}"
}

bytes() { # DIR: what was trained
  (cd "$1" 2>/dev/null && find . -name '*.safetensors' -not -path './checkpoints/*' | LC_ALL=C sort | xargs -r sha256sum)
}

account() { # DIR: samples issued, trained and dropped of each stage
  grep -E '"(issued|trained|dropped|stage|name)"' "$1/summary.json" 2>/dev/null
}

steps() { # DIR: of all stages, those that count
  [ -e "$1/metrics.jsonl" ] && wc -l <"$1/metrics.jsonl" || echo 0
}

millis() { echo $(($(date +%s%N) / 1000000)); }

declare -A length
for algorithm in "${algorithms[@]}"; do
  begun=$(millis)
  (launch "$algorithm" "$work/$algorithm" --local "$nodes" --rollouts "$rollouts") >"$work/$algorithm.log" 2>&1 || {
    cat "$work/$algorithm.log"
    echo "the $algorithm run that nobody touches failed"
    exit 1
  }
  length[$algorithm]=$(($(millis) - begun))
  echo "untouched $algorithm: ${length[$algorithm]} ms"
done

printf 'seed\ttrial\talgorithm\tkind\ttarget\tmoment_ms\tpause_s\trecovery_ms\ttotal_ms\tuntouched_ms\trestarts\toutcome\n' >"$work/trials.tsv"
equal=0 late=0 wrong=0
for ((i = 1; i <= trials; i++)); do
  dir=$work/run-$i
  log=$work/run-$i.log
  algorithm=${algorithms[$((RANDOM % ${#algorithms[@]}))]}
  kind=${kinds[$((RANDOM % ${#kinds[@]}))]}
  moment=$(((RANDOM * 32768 + RANDOM) % ${length[$algorithm]}))
  victim=$((RANDOM % (hosts + 1)))
  pause=$((1 + RANDOM % 60))
  group=$((1 + RANDOM % ((1 << hosts) - 2)))
  where=(--local "$nodes" --rollouts "$rollouts")
  if [ "$kind" = partition ]; then where=(--hosts "$work/hosts" --ssh "$work/ssh" --host 10.77.0.1); fi
  begun=$(millis)
  launch "$algorithm" "$dir" "${where[@]}" >"$log" 2>&1 &
  supervisor=$!
  sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
  driver=$(sed -n 's/^driver: process \([0-9]*\)$/\1/p' "$log" | tail -n 1)
  before=$(steps "$dir")
  struck=$(millis)
  if [ "$kind" = partition ]; then
    # Half of them cut off one host, half of them some from the others.
    if [ $((victim % 2)) = 0 ]; then group=$((1 << (pause % hosts))); fi
    cut=()
    for ((h = 1; h <= hosts; h++)); do
      if [ $((group >> (h - 1) & 1)) = 1 ]; then cut+=("$h"); fi
    done
    who="hosts ${cut[*]} of $hosts"
    case " ${cut[*]} " in *" 1 "*) target=driver+$((${#cut[@]} - 1)) ;; *) target=nodes-${#cut[@]} ;; esac
    for h in "${cut[@]}"; do : >"$work/cut-$h" && ip -n "$net-b" link set "v$h" master off; done
    (
      sleep "$pause"
      for h in "${cut[@]}"; do ip -n "$net-b" link set "v$h" master on && rm -f "$work/cut-$h"; done
    ) &
    heal=$!
    did="cut off for $pause s"
  else
    pid=$supervisor target=supervisor
    if [ "$victim" -lt "$((hosts - 1))" ]; then
      node=$(sed -n 's/^node \([a-z0-9-]*\): process \([0-9]*\)$/\1 \2/p' "$log" | sed -n "$((victim + 1))p")
      if [ -n "$node" ]; then pid=${node#* } target=${node% *}; fi
    elif [ "$victim" = "$((hosts - 1))" ] && [ -n "$driver" ]; then
      pid=$driver target=driver
    fi
    who=$target
    if [ "$kind" = stop ]; then
      did="stopped for $pause s"
      kill -STOP "$pid" 2>/dev/null || target=nobody
      (sleep "$pause" && kill -CONT "$pid" 2>/dev/null) &
      heal=$!
    else
      did=killed pause=0 heal=
      kill -KILL "$pid" 2>/dev/null || target=nobody
    fi
  fi
  recovery=-
  alive() { kill -0 "$supervisor" 2>/dev/null || { [ -n "$driver" ] && kill -0 "$driver" 2>/dev/null; }; }
  while alive; do
    if [ "$recovery" = - ] && [ "$(steps "$dir")" -gt "$before" ]; then recovery=$(($(millis) - struck)); fi
    sleep 0.1
    driver=$(sed -n 's/^driver: process \([0-9]*\)$/\1/p' "$log" | tail -n 1)
  done
  wait "$supervisor" 2>/dev/null
  ended=$(millis)
  if [ -n "$heal" ]; then wait "$heal"; fi
  restarts=$(grep -cE '(^|: )starting (the nodes|node .*) again|; starting it again' "$log")
  if [ -z "$driver" ]; then
    # The first process was killed while it was the only one: there was no run yet.
    outcome=nothing-begun target=nobody
  elif ! grep -qs '"outcome" : "completed"' "$dir/summary.json"; then
    outcome=ended-without-its-result
  elif [ "$(bytes "$dir")" != "$(bytes "$work/$algorithm")" ]; then
    outcome=other-bytes
  elif [ "$(account "$dir")" != "$(account "$work/$algorithm")" ]; then
    outcome=other-account
  else
    outcome=same
  fi
  if [ "$outcome" = same ]; then
    equal=$((equal + 1))
    rm -rf "$dir"
  elif [ "$outcome" != nothing-begun ]; then
    wrong=$((wrong + 1))
  fi
  if [ "$target" = nobody ]; then late=$((late + 1)); fi
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$seed" "$i" "$algorithm" "$kind" "$target" "$moment" "$pause" "$recovery" "$((ended - begun))" "${length[$algorithm]}" "$restarts" "$outcome" >>"$work/trials.tsv"
  echo "trial $i, $algorithm: $did $who after $moment ms, next step after $recovery ms, started again $restarts times, $((ended - begun)) ms in all: $outcome"
done
awk -F '\t' 'NR > 1 && $8 != "-" { kind = $4 "\t" $5; sub(/-[0-9]+$/, "", kind); n[kind]++; sum[kind] += $8; if ($8 > max[kind]) max[kind] = $8 }
  END { print "kind\ttarget\ttrials\tmean_ms\tlongest_ms"; for (kind in n) printf "%s\t%d\t%d\t%d\n", kind, n[kind], sum[kind] / n[kind], max[kind] }' "$work/trials.tsv" >"$work/times.tsv"
cat "$work/times.tsv"
echo "seed $seed: $trials trials, $equal with the same bytes, $wrong otherwise; $late came before the run or after its end"
[ "$wrong" -eq 0 ]
