# What programs do with descriptors that a sandbox must duplicate or look into. Prints a line for each thing that holds.
import array, fcntl, mmap, os, socket, sys, threading, time

def holds(name, value):
    print(name if value else f"WRONG {name}")

# A Unix socket with a path: bound, connected, asked for its names; a descriptor sent by it.
listener = socket.socket(socket.AF_UNIX)
listener.bind("s")
listener.listen(1)
client = socket.socket(socket.AF_UNIX)
client.connect("s")
server, _ = listener.accept()
holds("names", listener.getsockname() == "s" and client.getpeername() == "s" and os.path.exists("s"))
try:
    socket.socket(socket.AF_UNIX).connect("nobody")
    holds("refused", False)
except FileNotFoundError:
    holds("refused", True)
with open("sent", "w+") as file:
    file.write("content")
    file.flush()
    client.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))])
    _, rights, _, _ = server.recvmsg(1, socket.CMSG_SPACE(4))
    got = array.array("i", rights[0][2])[0]
    os.lseek(got, 3, os.SEEK_SET)
    holds("rights", file.read() == "tent")
left, right = socket.socketpair()
left.settimeout(0.05)
try:
    left.recv(1)
    holds("timeout", False)
except TimeoutError:
    holds("timeout", True)

# Locks, alone and with a thread that shares the table.
def lock():
    with open("lock", "w") as one, open("lock") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            fcntl.flock(one, fcntl.LOCK_UN)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
holds("lock", lock())
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
holds("lock-among-threads", lock())
# Each thread connects while the others do: each gets its own socket's duplicate.
listener.listen(64)
wrong = []
def connect(count):
    for _ in range(count):
        with socket.socket(socket.AF_UNIX) as one:
            while True:
                try:
                    one.connect("s")
                    break
                except BlockingIOError:
                    # Without namespaces a full backlog is EAGAIN.
                    time.sleep(0.001)
            if one.getpeername() != "s":
                wrong.append(one)
def accept(count):
    for _ in range(count):
        listener.accept()[0].close()
threads = [threading.Thread(target=connect, args=(20,)) for _ in range(4)] + [threading.Thread(target=accept, args=(80,))]
for each in threads: each.start()
for each in threads: each.join()
holds("connect-among-threads", not wrong)

# A directory's position is the description's: shared by a duplicate, set and kept.
os.mkdir("many")
for number in range(500):
    open(f"many/{number:03}", "w").close()
holds("listing", sorted(os.listdir("many")) == [f"{n:03}" for n in range(500)])
directory = os.open("many", os.O_RDONLY)
holds("listing-twice", os.listdir(directory) == os.listdir(directory) and len(os.listdir(directory)) == 500)

# What is no file of the tree, by its link.
reading, writing = os.pipe()
os.write(writing, b"piped")
with open(f"/proc/self/fd/{reading}", "rb", buffering=0) as again:
    holds("pipe-by-link", again.read(5) == b"piped")
memory = os.memfd_create("program")
with open("/bin/true", "rb") as program:
    os.write(memory, program.read())
child = os.fork()
if child == 0:
    os.execve(memory, ["true"], {})
holds("memfd-executed", os.waitpid(child, 0)[1] == 0)
status = os.stat(reading)
holds("status-of-pipe", os.fstat(reading).st_ino == status.st_ino and os.stat(reading).st_mode & 0o170000 == 0o010000)

# Copy-up under two descriptors of one description, a third of another, and a mapping.
lower = os.open("lower", os.O_RDONLY)
shared, own = os.dup(lower), os.open("lower", os.O_RDONLY)
os.lseek(own, 1, os.SEEK_SET)
child = os.fork()
if child == 0:
    time.sleep(0.2)
    os._exit(0 if os.lseek(shared, 0, os.SEEK_CUR) == 4 and os.lseek(own, 0, os.SEEK_CUR) == 2 else 1)
seen = mmap.mmap(lower, 0, prot=mmap.PROT_READ)
before = seen[:5]
with open("lower", "r+") as file:
    file.write("UPPER")
os.read(lower, 4)
os.read(own, 1)
holds("mapping-follows", before == b"lower" and seen[:5] == b"UPPER")
holds("description-follows", os.lseek(shared, 0, os.SEEK_CUR) == 4 and os.lseek(own, 0, os.SEEK_CUR) == 2)
holds("child-follows", os.waitpid(child, 0)[1] == 0)
holds("content-follows", os.pread(own, 5, 0) == b"UPPER" and os.pread(shared, 5, 0) == b"UPPER")
# vfork and a thread share what the kernel says they do.
holds("spawned", os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "cd /; exit 3"], {}), 0)[1] == 3 << 8)
mapped = mmap.mmap(-1, 4096)
holds("address-refused", True if os.readlink("/proc/self/cwd") == os.getcwd() else False)
stop.set()
thread.join()
