# shellcheck disable=SC1010,SC2093,SC2164
# bash: pipelines, here-documents, globs, redirections, process substitution, arrays, traps, background jobs.
set -u
echo one two three | tr ' ' '\n' | sort -r | tee copy.txt | wc -l
cat copy.txt
cat <<END
here-document of $(basename "$0"): $((6 * 7))
END
cat <<<"here-string"
mkdir -p tree/{a,b,c}
touch tree/{a,b,c}/{1,2,3}.txt tree/.hidden
echo tree/*/[12].txt
shopt -s globstar dotglob nullglob
echo tree/**
echo nothing/*
diff <(printf '1\n2\n') <(printf '1\n3\n')
echo "diff $?"
exec 5>fd5.txt
echo "through five" >&5
exec 5>&-
cat fd5.txt
exec 6<>fd5.txt
read -r line <&6
echo "read: $line"
echo more >&6
exec 6>&-
cat fd5.txt
set -o noclobber
(echo x >fd5.txt) 2>/dev/null
echo "noclobber $?"
set +o noclobber
trap 'echo trapped' EXIT
trap 'echo usr1' USR1
kill -USR1 $$
(exit 3) &
wait $!
echo "background $?"
for i in 1 2 3; do (
    sleep 0.0$i
    echo "job $i" >"job$i"
) & done
wait
cat job1 job2 job3
false | true
echo "${PIPESTATUS[*]}"
declare -A map=([x]=1 [y]=2)
echo "${map[x]}${map[y]} ${#map[@]}"
while read -r a b; do echo "$b-$a"; done < <(printf 'a b\nc d\n')
coproc CAT { cat; }
echo ping >&"${CAT[1]}"
read -r answer <&"${CAT[0]}"
echo "$answer"
# shfmt would part `{CAT[1]}` from its redirection.
input=${CAT[1]}
exec {input}>&-
wait
cd tree/a && pwd -P | sed 's|.*/scratch/|scratch/|'
cd - >/dev/null
cd -P tree/./b/../c && echo "${PWD##*/}"
cd ../..
ln -s tree/a link
cd link
pwd | sed 's|.*/||'
cd ..
[ -h link ] && [ -d link ] && [ ! -e nope ] && echo tests
umask 027
touch masked
stat -c %a masked
umask
test -r masked -a -w masked && echo readable
printf '%s\n' "${BASH_VERSINFO[0]}" "$(type -t cd)" "$(command -v cat)"
ulimit -n 64
(ulimit -n)
printf 'a\0b' | od -c | head -2
timeout 0.2 sleep 5
echo "timeout $?"
(kill -TERM $BASHPID)
echo "term $?"
bash -c 'kill -KILL $$'
echo "kill $?"
echo done
