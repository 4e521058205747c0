# The network of network.sh: servers on addresses of a network namespace of the test's own, in which nothing else is. Each
# connection and datagram that arrives is a line of the log, so that what was reached without leave is seen.
#
# network-servers.py LOG READY : adds addresses to lo (as root of the namespace), serves, and makes READY.
import os
import selectors
import socket
import struct
import subprocess
import sys

LOG = open(sys.argv[1], "a", buffering=1)
for address in ("10.77.0.1/32", "10.77.0.2/32", "10.77.0.53/32", "169.254.77.1/32"):
    subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "route", "add", "default", "dev", "lo"], check=False)
HAS6 = subprocess.run(["ip", "addr", "add", "fd77::1/128", "dev", "lo", "nodad"], stderr=subprocess.DEVNULL).returncode == 0

selector = selectors.DefaultSelector()


def note(kind, name, peer):
    LOG.write(f"{kind} {name} from {peer[0]}\n")


def name_of(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def tcp(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(64)
    name = name_of(address, port)

    def connection(client):
        try:
            data = client.recv(65536)
            if data:
                client.sendall(f"{name} says {data.decode(errors='replace')}".encode())
                return
        except OSError:
            pass
        selector.unregister(client)
        client.close()

    def arrival(listener):
        client, peer = listener.accept()
        note("tcp", name, peer)
        selector.register(client, selectors.EVENT_READ, connection)

    selector.register(listener, selectors.EVENT_READ, arrival)


def udp(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, port))
    name = name_of(address, port)

    def datagram(server):
        data, peer = server.recvfrom(65536)
        note("udp", name, peer)
        if data == b"spoof":
            # The answer comes from another address too, which the guest may not hear.
            other = socket.socket(family, socket.SOCK_DGRAM)
            other.bind(("10.77.0.2", 0))
            other.sendto(b"unasked", peer)
        server.sendto(f"{name} says ".encode() + data, peer)

    selector.register(server, selectors.EVENT_READ, datagram)


# A name server. Names end in .test; what it is asked is in the log.
ZONE = {
    "web.test": ["10.77.0.1", "fd77::1"],
    "other.test": ["10.77.0.2"],
    "rebind.test": ["127.0.0.1", "169.254.77.1", "10.77.0.1", "::1"],
    "deep.sub.web.test": ["10.77.0.1"],
    "many.test": [f"10.77.{1 + n // 250}.{1 + n % 250}" for n in range(200)],
}
ALIASES = {"www.test": "web.test"}


def answer(message, is_stream):
    number, flags, questions = struct.unpack(">HHH", message[:6])
    place, labels = 12, []
    while message[place]:
        labels.append(message[place + 1 : place + 1 + message[place]].decode().lower())
        place += message[place] + 1
    kind = struct.unpack(">H", message[place + 1 : place + 3])[0]
    question = message[12 : place + 5]
    name = ".".join(labels)
    LOG.write(f"dns {name} {kind}\n")

    def encoded(name):
        return b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0"

    records = []
    target = name
    if name in ALIASES:
        target = ALIASES[name]
        records.append(b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, len(encoded(target))) + encoded(target))
    for address in ZONE.get(target, []):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if kind != (28 if family == socket.AF_INET6 else 1):
            continue
        data = socket.inet_pton(family, address)
        records.append(encoded(target) + struct.pack(">HHIH", kind, 1, 60, len(data)) + data)
    # Beside the answer: nobody has asked for this.
    if name == "web.test" and kind == 1:
        records.append(encoded("planted.test") + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("10.77.0.2"))
    code = 0 if target in ZONE else 3
    if kind == 16 and name == "web.test":
        records.append(b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, 6) + b"\x05hello")
    reply = struct.pack(">HHHHHH", number, 0x8180 | code, 1, len(records), 0, 0) + question + b"".join(records)
    if not is_stream and len(reply) > 1232:
        reply = struct.pack(">HHHHHH", number, 0x8380, 1, 0, 0, 0) + question
    return reply


def name_server(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))

    def datagram(server):
        data, peer = server.recvfrom(4096)
        server.sendto(answer(data, False), peer)

    selector.register(server, selectors.EVENT_READ, datagram)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 53))
    listener.listen(8)

    def arrival(listener):
        client, _ = listener.accept()
        data = client.recv(2)
        data = client.recv(struct.unpack(">H", data)[0])
        reply = answer(data, True)
        client.sendall(struct.pack(">H", len(reply)) + reply)
        client.close()

    selector.register(listener, selectors.EVENT_READ, arrival)


for address in ("10.77.0.1", "10.77.0.2", "127.0.0.1", "169.254.77.1"):
    for port in (7001, 7002):
        tcp(address, port)
        udp(address, port)
# Wildcards of the host, which every address of the loopback reaches.
tcp("0.0.0.0", 7003)
udp("0.0.0.0", 7003)
if HAS6:
    for address in ("fd77::1", "::1"):
        tcp(address, 7001)
        udp(address, 7001)
name_server("10.77.0.53")
open(sys.argv[2], "w").close()
while True:
    for key, _ in selector.select():
        key.data(key.fileobj)
