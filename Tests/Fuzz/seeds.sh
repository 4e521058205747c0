#!/usr/bin/env bash
# seeds.sh TARGET DIRECTORY : small inputs to begin with, made here and now. A corpus that has grown is left alone.
set -u
target=$1 directory=$2
cd "$directory" || exit 2
[ -z "$(ls -A)" ] || exit 0
zeros() { head -c "$1" /dev/zero; }
case $target in
loader)
    for choice in 0 1; do
        {
            zeros 8
            printf '%b' "\\00$choice"
            head -c 4096 /bin/true
        } >elf$choice
        {
            zeros 8
            printf '\0#!/bin/sh -e x\n'
        } >script$choice
    done
    {
        zeros 8
        printf '\003\001\0\0\0\0\0\0\0\0\020\0\0\0\0\0\0'
        zeros 200
    } >block
    ;;
pathwalk)
    head -c 400 /dev/urandom >random
    {
        printf '\017\0\0'
        zeros 60
        printf '\001\002\003\004\005\006\007\010\011\012'
    } >small
    ;;
records)
    printf '\001taken\0a/f\0links 3 2\0forget 9\0' >intent
    printf '\0020/a/b' >redirect
    printf '\003100000 644 0 0 0' >record
    printf '\000\011\0\0\0\001\002\0ab' >overflow
    printf '\004\002\0\0\0\001\0\007\0\377\377\377\377\004\0\007\0\377\377\377\377\040\0\007\0\377\377\377\377' >list
    {
        printf '\005'
        zeros 16
        printf '\030\0\004name\0'
    } >listing
    ;;
overlay)
    printf '\000\001\000\002\001\0030/c\002\002\001x\005\010abcdefgh' >marks
    head -c 300 /dev/urandom >random
    printf '\006' >intent
    head -c 100 /dev/urandom >>intent
    ;;
tar)
    work=$(mktemp -d)
    (cd "$work" && echo content >f && ln -s f l && ln f h && mkdir d && mkfifo p && truncate -s 70000 s && echo x >>s)
    for format in ustar pax gnu; do {
        printf '\0'
        tar -C "$work" --format=$format --sparse -cf - .
    } >$format 2>/dev/null; done
    for version in 0.0 0.1 1.0; do {
        printf '\0'
        tar -C "$work" --format=posix --sparse-version=$version --sparse -cf - s
    } >sparse-$version 2>/dev/null; done
    rm -rf "$work"
    ;;
toml)
    printf 'rootfs = "/srv"\nbind = ["/a:/b:ro", "/c"]\nfake-root = true\nsize = 64\n' >plain
    printf '[table]\na = 1\n"quoted" = """x\ny"""\nb = {c = [1,2.5,1979-05-27T07:32:00Z]}\n' >other
    ;;
proctext)
    cat /proc/self/sched >sched 2>/dev/null
    cat /proc/self/status >status
    cat /proc/self/stat >stat
    printf '230 0x0 0x0 0x7ffc 0x1 0x2 0x3 0x7ffd 0x7f12\n' >syscall
    ;;
esac
