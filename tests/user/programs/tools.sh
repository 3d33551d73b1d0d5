# coreutils, findutils, diffutils. interp: yes
umask 022
mkdir -p d/e/f; echo one >d/a; echo two >d/e/b; ln -s ../a d/e/l; ln d/a d/h
find d | sort; find d -type l -printf '%f %l\n'; find d -name b -exec cat {} \;
ls -l d | awk 'NR > 1 {print $1, $9}'; stat -c '%n %s %h %F' d/a
cp -a d c; diff -r d c && echo same; mv c/a c/z; rm -r c/e; ls c
seq 1 1000 | sort -n -r | head -3; seq 1 1000 | shuf --random-source=<(yes) | sort -n | md5sum
seq 1 20 | paste -s -d, ; seq 1 9 | paste - - -; printf 'b\na\nb\n' | sort | uniq -c
printf 'a b c\nd e f\n' | cut -d' ' -f2 ; echo abc | tr a-z A-Z ; seq 5 | tac ; echo hello | rev
join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n'); comm -12 <(seq 1 5) <(seq 3 8)
seq 1 100 | split -l 30 - part.; wc -l part.*; cat part.* | sha256sum
head -c 100000 /dev/zero | od -A d | tail -2; head -c 1000 /dev/zero | tr '\0' x | fold -w 100 | wc -l
dd if=/dev/zero bs=1k count=64 2>/dev/null | cksum; echo data | base64; echo ZGF0YQo= | base64 -d
seq 1 10 | xargs -n 3 echo; printf '%s\0' a b | xargs -0 -n1 echo; echo 1 2 3 | xargs -P 2 -n 1 true
touch -d '2020-01-02 03:04:05 UTC' t; stat -c %Y t; date -u -r t +%F_%T; date -u -d @0 +%c
numfmt --to=iec 123456789; expr 6 \* 7; factor 1234567890123456789 360360; printf '%d\n' 0x10
test -f d/a && [ -h d/e/l ] && echo tests; timeout 0.1 sleep 10; echo "timeout $?"
truncate -s 1M big; du -b big | cut -f1; cmp big <(head -c 1M /dev/zero) && echo equal; df . >/dev/null && echo df
env -i A=1 env; nohup true 2>/dev/null; tee copy <d/a >/dev/null; cat copy
realpath d/e/l | sed "s|$PWD|.|"; basename /a/b.c .c; dirname /a/b.c; mktemp -u XXXX | wc -c; id -u | tr -d 0-9
sync; pr -t -2 <(seq 1 6) | head -3; nl d/a; expand <(printf 'a\tb\n'); tsort <(echo a b b c)
stty size </dev/null 2>/dev/null; echo "stty $?"; tty </dev/null; od -c d/a; b2sum d/a; sum d/a
