# python3: files, directories, tempfile, mmap, shutil, pathlib, glob, os, signals, sockets, time.
set -u
cat >t.py <<'END'
import os, sys, mmap, tempfile, shutil, pathlib, glob, stat, fcntl, errno, socket, select, signal, json, zipfile, gzip, hashlib, time, pwd, struct
p = pathlib.Path("tree/a/b"); p.mkdir(parents=True); (p / "x.txt").write_text("héllo\n"); (p / "y.bin").write_bytes(bytes(range(256)) * 64)
print(sorted(str(q) for q in pathlib.Path("tree").rglob("*")), glob.glob("tree/**/*.txt", recursive=True))
with open(p / "y.bin", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0); print(len(m), m[65:70], m.find(b"\xff\x00")); m[0:4] = b"MMAP"; m.flush(); print(f.read(4))
    with open(p / "y.bin", "rb") as g: c = mmap.mmap(g.fileno(), 0, access=mmap.ACCESS_COPY); c[0] = 0; print(c[:4], m[:4]); m[4:8] = b"more"; print(c[4:8]); c.close()
    m.resize(100) if hasattr(m, "resize") else None; m.close()
print(os.stat(p / "y.bin").st_size)
a = mmap.mmap(-1, 8192); pid = os.fork()
if pid == 0: a[0:5] = b"child"; os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), a[0:5])
with tempfile.TemporaryDirectory(dir=".") as d:
    with tempfile.NamedTemporaryFile(dir=d) as t: t.write(b"x" * 5000); t.flush(); print(os.path.getsize(t.name), os.listdir(d) == [os.path.basename(t.name)])
    with tempfile.TemporaryFile(dir=d) as t: t.write(b"unlinked"); t.seek(0); print(t.read(), os.fstat(t.fileno()).st_nlink)
print(os.path.exists(d)); shutil.copytree("tree", "copy"); shutil.move("copy", "moved"); print(sorted(os.listdir("moved/a/b"))); shutil.make_archive("arch", "zip", "moved"); print(sorted(zipfile.ZipFile("arch.zip").namelist())); shutil.rmtree("moved")
os.symlink("tree", "link"); print(os.readlink("link"), os.path.realpath("link") == os.path.abspath("tree"), os.path.islink("link")); os.link("t.py", "hard"); print(os.stat("hard").st_nlink, os.path.samefile("hard", "t.py"))
for f, args in ((os.open, ("nope", 0)), (os.mkdir, ("tree",)), (os.rmdir, ("tree",)), (os.listdir, ("t.py",)), (os.unlink, ("tree",)), (os.rename, ("nope", "x")), (os.readlink, ("t.py",)), (os.open, ("x" * 300, 0)), (open, ("tree", "w")), (os.rename, ("tree", "tree/a/c")), (os.chdir, ("t.py",))):
    try: f(*args); print("no error", f, args)
    except OSError as e: print(f.__name__, errno.errorcode[e.errno])
d = os.open("tree", os.O_RDONLY | os.O_DIRECTORY); fd = os.open("a/b/x.txt", os.O_RDWR | os.O_APPEND, dir_fd=d); os.write(fd, b"more"); print(os.pread(fd, 20, 0), os.fstat(fd).st_size, fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND != 0, os.readlink("/proc/self/fd/%d" % fd).endswith("/tree/a/b/x.txt"))
os.rename("a/b/x.txt", "z", src_dir_fd=d, dst_dir_fd=d); print(sorted(os.listdir(d)), os.stat("z", dir_fd=d).st_ino == os.fstat(fd).st_ino, os.get_inheritable(fd)); os.unlink("z", dir_fd=d); print(os.fstat(fd).st_nlink, os.readlink("/proc/self/fd/%d" % fd).endswith("(deleted)")); os.fchdir(d); print(os.path.basename(os.getcwd())); os.chdir("..")
with os.scandir(".") as it: print(sorted((e.name, e.is_dir(), e.is_symlink()) for e in it))
os.utime("t.py", ns=(10**18 + 1, 10**18 + 2)); print(os.stat("t.py").st_mtime_ns); os.chmod("t.py", 0o640); print(stat.filemode(os.stat("t.py").st_mode)); print(oct(os.umask(0o77))); open("u", "w").close(); print(oct(os.stat("u").st_mode)); print(os.access("u", os.R_OK | os.W_OK), os.access("u", os.X_OK))
try: os.setxattr("u", "user.k", b"v"); print(os.getxattr("u", "user.k"), os.listxattr("u")); os.removexattr("u", "user.k")
except OSError as e: print("xattr", errno.errorcode[e.errno])
e = [os.path.join(r, n) for r, ds, fs in os.walk("tree") for n in fs]; print(e); os.truncate("tree/a/b/y.bin", 3); print(os.path.getsize("tree/a/b/y.bin"), os.statvfs(".").f_namemax)
s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect("sock"); k, _ = s.accept(); socket.send_fds(c, [b"fd"], [fd]); print(socket.recv_fds(k, 10, 1)[0], stat.S_ISSOCK(os.stat("sock").st_mode)); t = socket.create_server(("127.0.0.1", 0)); q = socket.create_connection(t.getsockname()); q.send(b"tcp"); print(t.accept()[0].recv(9))
signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.1); time.sleep(0.3); os.mkfifo("fifo"); r = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK); w = os.open("fifo", os.O_WRONLY); os.write(w, b"f"); print(os.read(r, 5), select.select([r], [], [], 0)); print(len(os.listdir("/proc/self/fd")) > 3, os.sched_getaffinity(0) != set(), os.cpu_count() > 0, open("/proc/self/comm").read().strip(), os.path.basename(os.readlink("/proc/self/exe"))[:7], os.memfd_create("m") > 2, gzip.decompress(gzip.compress(b"z" * 99))[:3], hashlib.sha256(open("/bin/sh", "rb").read()).hexdigest() != "", sys.getfilesystemencoding())
n = b"caf\xe9\n\xff"; open(n, "w").close(); print(n in os.listdir(b".")); os.mkdir("many"); [open(f"many/{i}", "w").close() for i in range(3000)]; print(len(os.listdir("many"))); [os.unlink(f"many/{i}") for i in range(0, 3000, 2)]; print(len(set(os.listdir("many")))); os.posix_fallocate(fd, 0, 10000); print(os.fstat(fd).st_size); print(os.copy_file_range(os.open("hard", 0), os.open("cfr", os.O_WRONLY | os.O_CREAT), 50), os.sendfile(os.open("sf", os.O_WRONLY | os.O_CREAT), os.open("hard", 0), 0, 60)); fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB); fcntl.lockf(fd, fcntl.LOCK_EX); print("locked")
END
/usr/bin/python3 t.py 2>&1 | sed "s|/.*/scratch|scratch|g; s/fd=[0-9]*/fd/"
echo "status ${PIPESTATUS[0]}"
/usr/bin/python3 -c 'import sys; sys.exit(9)'
echo "status $?"
/usr/bin/python3 -c 'raise SystemError' 2>/dev/null
echo "status $?"
/usr/bin/python3 -c 'import os; os.abort()'
echo "status $?"
/usr/bin/python3 -m compileall -q t.py
ls __pycache__
/usr/bin/python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'
