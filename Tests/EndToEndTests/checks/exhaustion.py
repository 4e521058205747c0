# Runs a command and prints the most memory that a supervisor and its store took: MiB of both together, of each, the status
# and the seconds. `exhaustion.py STORE-PLACE LIMIT-SECONDS COMMAND...`; STORE-PLACE is the directory whose vedette-* holds
# the store (no-namespaces), or `-` for a tmpfs of 64 MiB that is mounted nowhere and that the supervisor has open.
import glob, os, subprocess, sys, time

place, limit, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
before = set(glob.glob(place + "/vedette-*"))
child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
store_descriptor = None


def supervisor():
    "RssAnon and RssShmem: what is the supervisor's own, without the pages of its program."
    total = 0
    try:
        with open(f"/proc/{child.pid}/status") as status:
            for line in status:
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) << 10
    except OSError:
        pass
    return total


def find_store():
    try:
        for name in os.listdir(f"/proc/{child.pid}/fd"):
            path = f"/proc/{child.pid}/fd/{name}"
            try:
                facts = os.statvfs(path)
                if os.path.isdir(path) and facts.f_blocks * facts.f_frsize == 64 << 20: return path
            except OSError:
                continue
    except OSError:
        pass
    return None


def store():
    global store_descriptor
    if place == "-":
        if store_descriptor is None: store_descriptor = find_store()
        try:
            facts = os.statvfs(store_descriptor) if store_descriptor else None
        except OSError:
            facts = None
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize if facts else 0
    total = 0
    for directory in set(glob.glob(place + "/vedette-*")) - before:
        for root, _, names in os.walk(directory):
            for name in names:
                try:
                    total += os.lstat(os.path.join(root, name)).st_blocks * 512
                except OSError:
                    continue
    return total


most = [0, 0, 0]
start = time.monotonic()
ending = None
while child.poll() is None:
    own, stored = supervisor(), store()
    most = [max(pair) for pair in zip(most, (own + stored, own, stored))]
    if time.monotonic() - start > limit:
        ending = "hung"
        child.kill()
    time.sleep(0.02 if place == "-" else 0.05)
print(*(f"{value / (1 << 20):.1f}" for value in most), ending or child.returncode, f"{time.monotonic() - start:.1f}")
