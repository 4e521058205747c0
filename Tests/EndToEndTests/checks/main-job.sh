#!/usr/bin/env bash
# The main job: a program changes files all over the tree and sees its changes; the host's manifest is equal afterwards.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
echo mine >file
mkdir directory
echo deep >directory/deep
ln file hard
ln -s file soft
[ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 .
# What is watched here is small, so that the check is quick; all.sh proves the same of the whole of /usr/local and /root.
watched=(/etc "$PWD")
[ "$(id -u)" -ne 0 ] || mapfile -d '' -O 2 watched < <(find /root /usr/local/bin -maxdepth 1 -type f -print0)
manifest() { "$checks/../../../ctests/manifest.sh" "${watched[@]}" 2>/dev/null; }
manifest >"$work/before"
cat >"$work/change.sh" <<'END'
set -e
echo guest.example >/etc/hostname; [ "$(cat /etc/hostname)" = guest.example ]
rm /usr/bin/perl; [ ! -e /usr/bin/perl ]
sed -i s/root/ROOT/ /etc/passwd; grep -q ^ROOT /etc/passwd
rm -rf /etc/apt /usr/local/*; [ ! -d /etc/apt ]; [ -z "$(ls -A /usr/local)" ]
mv /etc/ssl /etc/ssl.moved 2>/dev/null || mkdir /etc/ssl.moved; [ -d /etc/ssl.moved ]
mkdir -p /opt/new/deep; echo x >/opt/new/deep/x; ln -s /opt/new /etc/link; [ "$(cat /etc/link/deep/x)" = x ]
chmod 700 /etc/passwd; chown 1:1 /etc/group; touch -d 2001-01-01 /etc/fstab; [ "$(stat -c %a:%u:%g /etc/passwd /etc/group | tr '\n' ' ')" = "700:0:0 644:1:1 " ]
echo y >>file; [ "$(cat hard)" = "$(cat file)" ]; rm -r directory; mv soft moved; mkdir directory; [ -z "$(ls -A directory)" ]
ln /etc/hosts linked; truncate -s 0 /etc/hosts; [ ! -s linked ]
rm -rf /root /home /var/log 2>/dev/null || true; dd if=/dev/zero of=/usr/bin/bash2 bs=1k count=64 status=none
setfattr -n user.x -v y file 2>/dev/null || true; mknod /dev/mine p 2>/dev/null || true; find / -xdev -maxdepth 2 -newer /opt/new/deep/x >/dev/null 2>&1 || true
echo changed everything
END
chmod 644 "$work/change.sh"
expect change-everything 0 'changed everything' v --fake-root -- bash "$work/change.sh"
expect remove-everything 0 '' v --fake-root -- bash -c 'rm -rf --one-file-system /etc /usr/local /usr/bin /usr/sbin /usr/share/man /home /srv /root/.[a-b]* 2>/dev/null; exit 0'
manifest >"$work/after"
if diff "$work/before" "$work/after" >"$work/difference"; then ok host-unchanged; else fail host-unchanged "$(head -5 "$work/difference" | tr '\n' '|')"; fi
expect next-run-sees-the-host 0 "$(cat /etc/hostname)" v -- cat /etc/hostname
finish
