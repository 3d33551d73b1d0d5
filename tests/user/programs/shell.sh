# bash: what scripts do. interp: yes
set -u
greet() { local name=${1:-nobody}; printf 'hello, %s\n' "${name^^}"; }
greet; greet world
declare -A colour=([red]=1 [green]=2 [blue]=3)
for key in $(printf '%s\n' "${!colour[@]}" | sort); do echo "$key=${colour[$key]}"; done
echo $((0x7fffffffffffffff + 1)) $((7 % -3)) $((1 << 40)) $((-7 / 2))
for ((i = 0, sum = 0; i < 2000; i++)); do ((sum += i * i)); done; echo $sum
case $(uname -m) in aarch64 | x86_64) echo known ;; *) echo unknown ;; esac
text='The quick brown fox'
echo "${text//o/0}" "${text#The }" "${text%% *}" "${text:4:5}" "${#text}"
[[ $text =~ ([a-z]+)\ ([a-z]+) ]] && echo "${BASH_REMATCH[2]}"
printf '%5.2f|%-6s|%06d|%x\n' 3.14159 ab 42 255
cat <<X | while read -r a b; do echo "$b $a"; done
one two
three four
X
(exit 3); echo "status $?"
{ echo out; echo err >&2; } 2>&1 | sort
trap 'echo trapped' USR1; kill -USR1 $$; trap - USR1
sleep 100 & pid=$!; kill $pid; wait $pid; echo "waited $?"
echo a >f; echo b >>f; exec 5<f; read -r x <&5; read -r y <&5; exec 5<&-; echo $x$y
mkfifo p; (echo through >p) & cat p; wait
diff <(seq 1 5) <(seq 1 6); echo "diff $?"
coproc { read -r line; echo "co $line"; }; echo hi >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; echo "$answer"; wait
mapfile -t lines < <(seq 1 4); echo "${lines[@]: -2}"
ulimit -n >/dev/null && echo limits
{ bash -c 'kill -SEGV $$'; } 2>/dev/null; echo "signal $?"
echo '#!/bin/sh
echo "script $0 $1"' >s; chmod +x s; ./s arg
nothing_like_this 2>/dev/null; echo "missing $?"
