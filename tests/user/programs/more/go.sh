# restic, in Go: many threads, their signals, and garbage collection
export RESTIC_PASSWORD=p RESTIC_REPOSITORY=$PWD/repo XDG_CACHE_HOME=$PWD/cache GOGC=20
restic version | sed 's/ [0-9].*//'
mkdir -p data/sub; for i in $(seq 1 200); do seq $i $((i * 50)) >data/f$i; done; head -c 3000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null >data/sub/big
restic -q init && restic -q backup data && echo changed >data/f7 && restic -q backup data && echo "backups made"
restic snapshots -q | grep -c "$PWD"; restic -q check && echo checked
restic -q restore latest --target out && diff -r data out/data && echo restored
restic ls latest -q | wc -l; restic stats -q --mode raw-data latest >/dev/null && echo counted
restic diff $(restic snapshots --json | python3 -c 'import json, sys; print(*(s["short_id"] for s in json.load(sys.stdin)))') | grep -c f7
restic -q forget --keep-last 1 --prune && restic snapshots -q --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'
RESTIC_PASSWORD=wrong restic -q snapshots 2>/dev/null; echo "status $?"
