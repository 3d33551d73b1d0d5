# sed, grep, gawk. interp: yes
seq 1 3000 | sed -n '/7$/p;$=' | tail -3; printf 'a\nb\nc\n' | sed '2{h;d};${G;s/\n/+/}'
echo 'the cat sat' | sed -E 's/(\w+) (\w+)/\2 \1/; y/abc/xyz/'; printf 'x=1\ny=2\n' | sed 's/=.*/ is & /;='
sed -i.old s/one/ONE/ <(true) 2>/dev/null; printf 'one\n' >f; sed -i.old s/one/ONE/ f; cat f f.old
seq 1 5000 | grep -c '\(12\|34\)'; printf 'foo\nbar\nbaz\n' | grep -nE '^ba(r|z)$'; grep -rl ONE . ; echo 'aXb' | grep -o 'X'
echo 'key: value' | grep -P '(?<=: )\w+' -o; seq 1 100 | grep -w -e 7 -e 42 -A1; grep -q nothing f; echo "grep $?"
seq 1 1000 | awk '{s += $1; q += $1 * $1} END {printf "%d %d %.3f\n", s, q, s / NR}'
awk 'BEGIN {for (i = 1; i <= 20; i++) f[i] = i < 3 ? 1 : f[i-1] + f[i-2]; print f[20], length(f); print substr("hello", 2, 3), toupper("x"), index("abc", "c")}'
printf 'a:1\nb:2\na:3\n' | awk -F: '{t[$1] += $2} END {for (k in t) print k, t[k]}' | sort
awk 'BEGIN {printf "%.15g %.15g %.15g %.15g %.15g\n", sin(1), cos(1), atan2(1, 2), exp(1), log(10); print 2^53 + 1, 1e300 * 1e10, sqrt(2)}'
awk 'BEGIN {"echo sub" | getline x; print x; print "b\na" | "sort"; close("sort"); print strftime("%Y", 0, 1), match("foobar", /o+/), RSTART, RLENGTH; n = split("a b c", p); print n, p[3]; print gensub(/(a)(b)/, "\\2\\1", "g", "abab")}'
seq 1 20000 | awk '{a[$1 % 97] = a[$1 % 97] + $1} END {n = asort(a); print n, a[1], a[n]}'
