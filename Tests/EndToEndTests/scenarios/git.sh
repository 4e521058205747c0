# git on a repository of 1,500 files: init, add, commit, status, branch, merge, clone, gc, fsck, stash, rm, mv, worktree, grep.
set -u
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2001-02-03T04:05:06Z' GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
git config --global user.name N
git config --global user.email n@example.org
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git config --global gc.auto 0
git config --global protocol.file.allow always
git init -q repo
cd repo || exit 1
for d in $(seq 1 30); do
    mkdir "d$d"
    for f in $(seq 1 50); do echo "file $d $f" >"d$d/f$f"; done
done
git status --short | wc -l
git add .
git commit -q -m first
git log --format='%H %s'
git ls-files | wc -l
git status --short
for d in 1 5 9; do echo change >>"d$d/f7"; done
rm d2/f2
git mv d3/f3 d3/moved
echo new >new
git status --short
git diff --stat
git add -A
git commit -q -m second
git show --stat --format=%s
git checkout -q -b side HEAD~1
echo side >side
git add side
git commit -q -m side
git checkout -q main
git merge -q -m merged side
git log --format=%s --graph | cat
git tag v1
git rev-parse HEAD v1 'HEAD^{tree}'
echo dirty >>d1/f1
git stash -q
git status --short
git stash pop -q
git status --short
git checkout -q -- .
git rm -q -r d30
git commit -q -m removed
git ls-files | wc -l
[ -e d30 ]
echo "gone $?"
cd ..
git clone -q repo clone
cd clone || exit 1
git log --oneline | wc -l
ls | wc -l
echo c >>d4/f4
git commit -q -am clone
git push -q origin HEAD:pushed
cd ../repo || exit 1
git branch -a
git gc -q
git count-objects | cut -d' ' -f1
ls .git/objects/pack | sed 's/.*\.//' | sort
git fsck 2>&1 | grep -v dangling
echo "fsck ${PIPESTATUS[0]}"
git grep -c change | wc -l
git worktree add -q ../wt side
ls ../wt | wc -l
git archive HEAD d1 | tar -t | wc -l
git clean -ndx
git reset -q --hard HEAD~1
ls -d d30
git blame -s d1/f7 | cut -c1-8,9-
git bisect start HEAD HEAD~2 >/dev/null 2>&1
git bisect reset -q
git clone -q --bare . ../bare.git
ls ../bare.git | sort
git pull -q ../clone main
git log --format=%s | head -2
git rebase -q HEAD~1
echo "rebase $?"
git format-patch -q -1 -o ../patches
ls ../patches
git apply --check -R ../patches/*
echo "apply $?"
