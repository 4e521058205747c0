# Runs a command and prints the most memory that a supervisor and its store took: MiB of both together, of each, and the
# status. `exhaustion.py STORE-PLACE LIMIT-SECONDS COMMAND...`; STORE-PLACE is the directory whose vedette-* holds the store
# (no-namespaces), or `-` for the file system that a guest sees as its root.
import glob, os, subprocess, sys, time

place, limit, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
before = set(glob.glob(place + "/vedette-*")) if place != "-" else set()
child = subprocess.Popen(command, stdin=subprocess.DEVNULL)


def anonymous(pid):
    total = 0
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) << 10
    except OSError:
        pass
    return total


def children(pid):
    try:
        return [int(c) for t in os.listdir(f"/proc/{pid}/task") for c in open(f"/proc/{pid}/task/{t}/children").read().split()]
    except OSError:
        return []


def guest(pid):
    "A guest, by whose root the store is seen: the first descendant that runs the attack."
    for c in children(pid):
        try:
            if open(f"/proc/{c}/comm").read().strip() == "exhaust":
                return c
        except OSError:
            continue
        found = guest(c)
        if found:
            return found
    return None


def store():
    if place == "-":
        # The store's own descriptor, one of the supervisor's.
        best = 0
        try:
            for name in os.listdir(f"/proc/{child.pid}/fd"):
                path = f"/proc/{child.pid}/fd/{name}"
                if os.readlink(path) == "/" or True:
                    try:
                        info = os.statvfs(path)
                    except OSError:
                        continue
                    if os.stat(path).st_dev == device:
                        return (info.f_blocks - info.f_bfree) * info.f_frsize
        except OSError:
            pass
        return best
    total = 0
    for directory in set(glob.glob(place + "/vedette-*")) - before:
        for root, _, names in os.walk(directory):
            for name in names:
                try:
                    total += os.lstat(os.path.join(root, name)).st_blocks * 512
                except OSError:
                    pass
    return total


device = None
most = {"both": 0, "supervisor": 0, "store": 0}
start = time.monotonic()
hung = False
while child.poll() is None:
    if place == "-" and device is None:
        # A tmpfs that is mounted nowhere: the directory `store` that the supervisor was handed.
        for name in os.listdir(f"/proc/{child.pid}/fd"):
            try:
                path = f"/proc/{child.pid}/fd/{name}"
                info = os.statvfs(path)
                if os.path.isdir(path) and info.f_blocks * info.f_frsize == 64 << 20:
                    device = os.stat(path).st_dev
            except OSError:
                pass
    memory, stored = anonymous(child.pid), store() if place != "-" or device else 0
    for key, value in (("both", memory + stored), ("supervisor", memory), ("store", stored)):
        most[key] = max(most[key], value)
    if time.monotonic() - start > limit:
        hung = True
        child.kill()
    time.sleep(0.02 if place == "-" else 0.1)
mib = {key: f"{value / (1 << 20):.1f}" for key, value in most.items()}
print(mib["both"], mib["supervisor"], mib["store"], "hung" if hung else child.returncode, f"{time.monotonic() - start:.1f}")
