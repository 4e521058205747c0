# python3: threads, subprocess, multiprocessing (fork and spawn), futures, asyncio; files made and removed at the same time.
set -u
cat >t.py <<'END'
import threading, subprocess, multiprocessing, concurrent.futures, asyncio, os, sys, queue, time
def work(n): 
    d = f"d{n}"; os.mkdir(d)
    for i in range(100): open(f"{d}/{i}", "w").write(str(i)); os.rename(f"{d}/{i}", f"{d}/r{i}"); os.stat(f"{d}/r{i}")
    for i in range(0, 100, 2): os.unlink(f"{d}/r{i}")
    return len(os.listdir(d))
def square(x): return x * x
def add(lock, value):
    for _ in range(200):
        with lock: value.value += 1
async def main():
    p = await asyncio.create_subprocess_exec("sh", "-c", "echo async; exit 6", stdout=subprocess.PIPE); out, _ = await p.communicate(); print(out, p.returncode)
    print(await asyncio.gather(*(asyncio.to_thread(work, f"a{i}") for i in range(3))))
if __name__ == "__main__":
    ts = [threading.Thread(target=work, args=(i,)) for i in range(6)]; [t.start() for t in ts]; [t.join() for t in ts]; print([len(os.listdir(f"d{i}")) for i in range(6)])
    with concurrent.futures.ThreadPoolExecutor(4) as e: print(list(e.map(work, (f"t{i}" for i in range(4)))))
    print(subprocess.run(["cat"], input=b"in", capture_output=True), subprocess.check_output("echo $((1+1)) | cat", shell=True), subprocess.run(["sh", "-c", "kill -9 $$"]).returncode, subprocess.call(["false"]))
    print(subprocess.run(["pwd"], cwd="d1", capture_output=True).stdout.decode().strip().split("/")[-1], subprocess.run(["env"], env={"A": "b"}, capture_output=True).stdout)
    try: subprocess.run(["./nosuch"])
    except FileNotFoundError as e: print("missing", e.filename)
    try: subprocess.run(["./t.py"])
    except PermissionError as e: print("denied", e.filename)
    try: subprocess.run(["sleep", "9"], timeout=0.2)
    except subprocess.TimeoutExpired: print("timeout")
    p = subprocess.Popen(["sh", "-c", "trap 'echo term; exit 3' TERM; echo ready; sleep 5 & wait"], stdout=subprocess.PIPE); p.stdout.readline(); p.terminate(); print(p.communicate()[0], p.returncode)
    ps = [subprocess.Popen(["sh", "-c", f"exit {i}"]) for i in range(20)]; print([p.wait() for p in ps]); r, w = os.pipe(); print(subprocess.run(["sh", "-c", f"echo passed >&{w}"], pass_fds=[w]).returncode, os.read(r, 20))
    for method in ("fork", "spawn", "forkserver"):
        c = multiprocessing.get_context(method)
        with c.Pool(2) as pool: print(method, pool.map(square, range(8)))
    lock, value = multiprocessing.Lock(), multiprocessing.Value("i", 0); ps = [multiprocessing.Process(target=add, args=(lock, value)) for _ in range(3)]; [p.start() for p in ps]; [p.join() for p in ps]; print(value.value, [p.exitcode for p in ps])
    from multiprocessing import shared_memory; s = shared_memory.SharedMemory(create=True, size=100); s.buf[0] = 7; other = shared_memory.SharedMemory(s.name); print(other.buf[0]); other.close(); s.close(); s.unlink()
    with concurrent.futures.ProcessPoolExecutor(2) as e: print(sum(e.map(square, range(50), chunksize=10)))
    asyncio.run(main())
END
/usr/bin/python3 t.py 2>&1
echo "status $?"
