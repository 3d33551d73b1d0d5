# git: local repositories
export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000' GIT_CONFIG_NOSYSTEM=1
git config --global init.defaultBranch main; git config --global advice.detachedHead false; git config --global pack.threads 1
git init -q r; cd r; for i in 1 2 3 4 5 6; do seq 1 $((i * 50)) >file$i; git add .; git commit -q -m "commit $i"; done
git log --oneline; git show --stat HEAD | tail -3; git diff HEAD~2 --shortstat; git rev-parse HEAD^{tree}
git checkout -q -b side HEAD~3; echo side >side; git add side; git commit -q -m side; git checkout -q main; git merge -q -m merge side; git log --oneline --graph
git rebase -q side~1 main 2>/dev/null; git status --short; git tag -m tagged v1; git describe; git blame -s file1 | head -2
git gc -q; git count-objects -v | grep -E 'count|packs'; git fsck --strict; cd ..
git clone -q r c; cd c; echo x >>file1; git commit -q -a -m changed; git push -q origin HEAD:other; git -C ../r branch; git stash list; git grep -c 299 | cat
git format-patch -1 --stdout | git -C ../r apply --check && echo applies; git archive HEAD | tar t | head -3; git bundle create -q ../b HEAD; git bundle verify -q ../b && echo verified; cd ..
git clone -q --bare --depth 2 "file://$PWD/r" shallow && git -C shallow rev-list --count HEAD; git -C r worktree add -q ../w side && ls w | head -2
