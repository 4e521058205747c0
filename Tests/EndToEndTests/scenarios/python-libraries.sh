# python3: sqlite3 (journal, WAL, two processes), ssl (a handshake over a socket pair), dbm, ctypes, curses' terminfo, zoneinfo, locale.
set -u
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null || exit 77
cat >t.py <<'END'
import sqlite3, ssl, socket, threading, os, subprocess, sys, dbm.dumb, ctypes, ctypes.util, locale, importlib, email, xml.dom.minidom, csv, decimal, ensurepip, platform, getpass, uuid, random, secrets
d = sqlite3.connect("t.db"); d.execute("create table t(i integer primary key, s text)"); d.executemany("insert into t(s) values(?)", ((str(i) * 20,) for i in range(2000))); d.commit(); print(d.execute("select count(*), sum(length(s)) from t").fetchone())
d.execute("begin immediate"); print(subprocess.run([sys.executable, "-c", "import sqlite3; d = sqlite3.connect('t.db', timeout=0.1); print(d.execute('select count(*) from t').fetchone())\ntry: d.execute('insert into t(s) values(1)')\nexcept sqlite3.OperationalError as e: print(e)"], capture_output=True, text=True).stdout); d.rollback(); print(os.path.exists("t.db-journal"))
print(d.execute("pragma journal_mode=wal").fetchone()); d.execute("update t set s='x' where i < 100"); d.commit(); print(sorted(f for f in os.listdir(".") if f.startswith("t.db"))); e = sqlite3.connect("t.db"); print(e.execute("select count(*) from t where s='x'").fetchone()); e.close(); d.execute("pragma wal_checkpoint(truncate)"); d.execute("vacuum"); d.close(); print(os.path.exists("t.db-wal"), sqlite3.connect("file:t.db?mode=ro", uri=True).execute("pragma integrity_check").fetchone())
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain("cert.pem", "key.pem"); k = ssl.create_default_context(cafile="cert.pem"); a, b = socket.socketpair(); r = []
t = threading.Thread(target=lambda: r.append(c.wrap_socket(a, server_side=True).recv(100))); t.start(); s = k.wrap_socket(b, server_hostname="localhost"); s.send(b"secret"); t.join(); print(r, s.version()); print(len(ssl.create_default_context().get_ca_certs()) >= 0, len(os.urandom(16)), len(secrets.token_bytes(8)))
with dbm.dumb.open("dumb") as m: m["k"] = "v"
print(dbm.dumb.open("dumb")["k"], ctypes.CDLL(None).getpid() == os.getpid(), locale.setlocale(locale.LC_ALL, "C.UTF-8"), platform.system(), len(str(uuid.uuid4()))); import zoneinfo, datetime; print(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))); import readline, curses; curses.setupterm("xterm"); print(curses.tigetnum("colors")); import lzma, bz2, zlib; print(lzma.decompress(lzma.compress(b"l")), bz2.decompress(bz2.compress(b"b")))
END
/usr/bin/python3 t.py 2>&1
echo "status $?"
