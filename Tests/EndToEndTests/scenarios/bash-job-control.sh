# bash job control on a pseudo-terminal: stop, list, continue, bring to the foreground, end.
set -u
cat >inner.sh <<'END'
set -m
sleep 30 &
jobs | sed 's/  */ /g'
kill -STOP %1; sleep 0.2; jobs | sed 's/  */ /g'
kill -CONT %1; sleep 0.1; bg %1 2>&1 | sed 's/^bash: //; s/.*: //'
kill %1; wait %1 2>/dev/null; echo "ended $?"
(sleep 0.1; exit 4) & fg %+ >/dev/null; echo "foreground $?"
tty | sed 's/[0-9]*$/N/'; [ -t 0 ] && [ -t 1 ] && echo terminal
stty size; stty -echo; stty -a | grep -o -- '-echo\b'; stty echo
cat & sleep 0.2; jobs | grep -o 'Stopped (tty input)\|Stopped'; kill -KILL %1 2>/dev/null; wait 2>/dev/null; sleep 0.3; :
ps -o pid= -p $$ | wc -l; [ "$(ps -o tpgid= -p $$ | tr -d ' ')" = "$(ps -o pgid= -p $$ | tr -d ' ')" ] && echo foreground-group
END
script -qec 'stty rows 24 cols 80; bash --norc inner.sh' /dev/null </dev/null | tr -d '\r'
echo "status ${PIPESTATUS[0]}"
# The interrupt character reaches the foreground job, and only that.
script -qec 'bash --norc -c "trap \"echo interrupted\" INT; (sleep 0.5; kill -INT 0) & sleep 3; echo after"' /dev/null </dev/null | tr -d '\r'
