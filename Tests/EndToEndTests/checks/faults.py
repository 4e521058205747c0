# The driver of faults.sh: runs one scenario again and again, each time with one call of the supervisor failing, and judges
# the run. Prints a line `BAD ...` for each fault that is not borne, and ends with `N runs, N bad`.
#
# faults.py BINARY GUEST WORK SCENARIO GATE LEVEL UPPER FIRST STRIDE [SETPRIV...]
#   FIRST and STRIDE choose the calls: FIRST, FIRST + STRIDE, ... up to as many as the run without a fault makes.
import errno, hashlib, os, shutil, signal, subprocess, sys, time

binary, guest, work, scenario, gate, level, upper, first, stride = sys.argv[1:10]
prefix = sys.argv[10:]
first, stride, has_upper = int(first), int(stride), upper == "upper"
errors = [errno.ENOMEM, errno.EMFILE, errno.EIO, errno.EINTR, errno.ESRCH, errno.EPERM]
patience = 25
lower, hidden, scratch, log = (os.path.join(work, name) for name in ("lower", "hidden", "scratch", "log"))
marker = "fault-guest-%d" % os.getpid()
program = os.path.join(work, marker)
shutil.copy(guest, program)
os.chmod(program, 0o755)


def make_lower():
    shutil.rmtree(lower, ignore_errors=True)
    os.makedirs(lower + "/sub")
    for name, text in (("lower", b"lower file\n" * 500), ("sub/one", b"one\n")):
        with open(os.path.join(lower, name), "wb") as file:
            file.write(text)
        os.chmod(os.path.join(lower, name), 0o666)
    for path in (lower, lower + "/sub"):
        os.chmod(path, 0o777)


def manifest():
    result = []
    for top in (lower, hidden):
        for path, folders, names in os.walk(top):
            for name in sorted(folders + names) + ["."]:
                entry = os.path.join(path, name)
                status = os.lstat(entry)
                content = b""
                if os.path.isfile(entry):
                    with open(entry, "rb") as file:
                        content = file.read()
                result.append((entry, status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns,
                               status.st_ino, hashlib.sha256(content).hexdigest()))
    return sorted(result)


def mounts():
    with open("/proc/self/mountinfo") as file:
        return sum(work in line for line in file)


def leftovers():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as file:
                    if marker.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                pass
    return found


def run(fault):
    """Status (negative: a signal; None: it did not end), output, complaints."""
    for path in (scratch, log):
        if os.path.isdir(path):
            shutil.rmtree(path)
    os.makedirs(scratch + "/upper")
    for path in (scratch, scratch + "/upper"):
        os.chmod(path, 0o777)
    with open(log, "w"):
        pass
    os.chmod(log, 0o666)
    environment = dict(os.environ, VEDETTE_FAULT=fault, VEDETTE_FAULT_LOG=log, TMPDIR=scratch)
    command = prefix + [binary, "run", "--gate", gate, "--isolation", level, "--tmpfs", hidden]
    if has_upper:
        command += ["--upper", scratch + "/upper"]
    command += ["--", program, scenario, lower, hidden + "/secret"]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=environment)
    try:
        output, complaints = child.communicate(timeout=patience)
        status = child.returncode
    except subprocess.TimeoutExpired:
        status = None
        subprocess.run(["sh", "-c", "cat /proc/%d/task/*/wchan /proc/%d/task/*/syscall 2>/dev/null" % (child.pid, child.pid)],
                       stdout=sys.stderr)
        child.kill()
        output, complaints = child.communicate()
    return status, output.decode(errors="replace"), complaints.decode(errors="replace")


def judge(status, output, complaints, before, mounted):
    bad = []
    if status is None:
        bad.append("hangs")
    elif status < 0:
        bad.append("dies by signal %d" % -status)
    elif status == 0 and "done" not in output:
        bad.append("status 0 without an end")
    bad += [line for line in output.splitlines() if line.startswith("NATIVE")]
    if "Fatal error" in complaints or "Crash" in complaints:
        bad.append("traps")
    for _ in range(30):
        left = leftovers()
        if not left:
            break
        time.sleep(0.1)
    if left:
        bad.append("leaves processes")
        for process in left:
            os.kill(process, signal.SIGKILL)
    files = [name for name in os.listdir(scratch) if name != "upper"]
    # The directory of a sandbox without namespaces is removed by a process that outlives the supervisor.
    for _ in range(20):
        if not files:
            break
        time.sleep(0.1)
        files = [name for name in os.listdir(scratch) if name != "upper"]
    if files:
        bad.append("leaves " + " ".join(files))
    if mounts() != mounted:
        bad.append("leaves a mount")
    if manifest() != before:
        bad.append("changes the host")
        make_lower()
    if has_upper and os.listdir(scratch + "/upper"):
        checked = subprocess.run(prefix + [binary, "fsck", scratch + "/upper"], capture_output=True, timeout=60)
        if checked.returncode not in (0,):
            bad.append("fsck: " + (checked.stdout + checked.stderr).decode(errors="replace").strip()[:200])
    return bad


def text(path):
    try:
        with open(path) as file:
            return file.read().strip("\0\n")
    except OSError:
        return ""


os.makedirs(hidden, exist_ok=True)
os.chmod(hidden, 0o755)
with open(hidden + "/secret", "w") as file:
    file.write("secret\n")
make_lower()
before, mounted = manifest(), mounts()
status, output, complaints = run("0:0")
trouble = judge(status, output, complaints, before, mounted)
if status != 0 or trouble:
    print("BAD without a fault: status %s %s %s" % (status, trouble, complaints[:300]))
    print("1 runs, 1 bad")
    sys.exit(1)
count = int(text(log).split()[1])
runs, bad = 1, 0
for index in range(first, count + 1, stride):
    error = errors[(index + int(os.environ.get("SHIFT", 0))) % len(errors)]
    before = manifest()
    result = run("%d:%d" % (index, error))
    runs += 1
    trouble = judge(*result, before, mounted)
    if trouble:
        bad += 1
        said = [line for line in text(log).splitlines() if line.startswith("failed")]
        print("BAD %s %s %s %s %d:%s (%s): status %s: %s | %s" % (
            scenario, gate, level, upper, index, errno.errorcode[error], "; ".join(said), result[0], "; ".join(trouble),
            result[2].strip().replace("\n", " ")[:200]), flush=True)
print("%d calls, %d runs, %d bad" % (count, runs, bad))
sys.exit(1 if bad else 0)
