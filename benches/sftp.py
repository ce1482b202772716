#!/usr/bin/env python3
"""Delivering over SFTP, ours beside OpenSSH's `sftp` and `scp`, rclone, lftp and paramiko, in turn.

    benches/tools
    target/tools/bin/python benches/sftp.py one|four|split|many|memory|proxy|all [FLAGS]

Every turn is one delivery by one client into an empty directory of a private OpenSSH server: a process that starts, signs
in, writes and ends. The bytes that arrived are compared by SHA-256. README.md beside this file says what the cases are
and how their ratios are read.
"""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

import built
import hosts
import peers

MIB = 1 << 20
TURN_S_MAX = 1800
MEMORY_MIB_MAX = 32
SMALL_BYTES = 1024
CHACHA = ("--cipher", "chacha20-poly1305@openssh.com")


@dataclass
class Client:
    """One row of a table. The first row's turns are what ratios are taken to."""
    label: str
    command: object  # from a Job to a command
    turns: list = field(default_factory=list)


@dataclass
class Turn:
    wall_s: float
    cpu_s: float
    server_s: float
    peak_mib: float
    proxy_share: float


class Folder:
    """Files of random bytes, with their digests."""

    def __init__(self, path, count, size):
        path.mkdir()
        self.path, self.bytes, self.digests = path, count * size, {}
        width = len(str(count - 1))
        for number in range(count):
            name, digest, left = f"{number:0{width}}.bin", hashlib.sha256(), size
            with open(path / name, "wb") as file:
                while left:
                    block = os.urandom(min(left, 8 * MIB))
                    file.write(block)
                    digest.update(block)
                    left -= len(block)
            self.digests[name] = digest.hexdigest()
        self.files = sorted(path.iterdir())


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrived(label, drop, folder):
    """Ends everything unless the directory holds the folder's files, whole, and nothing else; then empties it."""
    found = {path.name: digest_of(path) for path in drop.iterdir()}
    if found != folder.digests:
        wrong = [name for name in {*found, *folder.digests} if found.get(name) != folder.digests.get(name)]
        sys.exit(f"{label}: {len(wrong)} files are not what was sent: {', '.join(sorted(wrong)[:5])}")
    for path in drop.iterdir():
        path.unlink()


def turn(client, host, delay, folder, ours):
    """One delivery, measured. The client is weighed by GNU time, whose child it is: a process that is started by a large
    one counts that one's memory as its own."""
    with tempfile.TemporaryDirectory(dir=host.home) as scratch:
        scratch = pathlib.Path(scratch)
        job = peers.Job(host, delay.port if delay else host.port, folder.path, folder.files, folder.digests, scratch, ours)
        command = ["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", scratch / "weighed", *client.command(job)]
        os.sync()  # what the turn before wrote is not written out in this one
        server_s, proxy_s, began = hosts.cpu_s(host.process), delay and hosts.cpu_s(delay.process), time.monotonic()
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=TURN_S_MAX, env={**os.environ, "HOME": str(host.home)})
        except subprocess.TimeoutExpired:
            sys.exit(f"{client.label}: not done after {TURN_S_MAX} s")
        wall_s = time.monotonic() - began
        if done.returncode != 0:
            sys.exit(f"{client.label}: exit {done.returncode}\n{done.stdout.decode(errors='replace')[-2000:]}")
        share = (hosts.cpu_s(delay.process) - proxy_s) / wall_s if delay else 0
        host.wait_until_quiet()
        user_s, system_s, peak_kib = (scratch / "weighed").read_text().split()
        arrived(client.label, host.drop, folder)
        return Turn(wall_s, float(user_s) + float(system_s), hosts.cpu_s(host.process) - server_s, int(peak_kib) / 1024, share)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def compare(title, clients, folder, options, host, round_trip_ms, unit=(MIB, "MiB/s")):
    """Rounds in which all take turns, each round from another client on; the first is a warm-up. Then the table."""
    clients = [client for n, client in enumerate(clients) if n == 0 or not options.only or
               any(client.label.startswith(word) for word in options.only)]
    where = f"{round_trip_ms} ms there and back" if round_trip_ms else "loopback"
    print(f"\n{title}, {where}, {options.rounds} rounds", flush=True)
    delay = hosts.Delay(host.port, round_trip_ms) if round_trip_ms else None
    try:
        if delay:
            host.trust(delay.port)
        for number in range(options.rounds + 1):
            first = number % len(clients)
            for client in clients[first:] + clients[:first]:
                measured = turn(client, host, delay, folder, options.ours)
                if number > 0:
                    client.turns.append(measured)
                progress(f"{number}/{options.rounds} {client.label}: {measured.wall_s:.2f} s")
        progress("")
    finally:
        if delay:
            delay.stop()
    amount = folder.bytes / unit[0] if unit[0] == MIB else len(folder.files)
    print(f"{'':30}{'wall s':>9}{unit[1]:>9}{'ratio':>7}  {'from .. to':14}{'cpu s':>7}{'server s':>9}{'peak MiB':>10}")
    for client in clients:
        ratios = [theirs.wall_s / own.wall_s for theirs, own in zip(clients[0].turns, client.turns)]
        wall_s, cpu_s, server_s, peak_mib = (statistics.median(getattr(each, name) for each in client.turns)
                                             for name in ("wall_s", "cpu_s", "server_s", "peak_mib"))
        spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
        print(f"{client.label:30}{wall_s:9.2f}{amount / wall_s:9.1f}{statistics.median(ratios):7.2f}  {spread:14}"
              f"{cpu_s:7.2f}{server_s:9.2f}{peak_mib:10.1f}")
    if any(client.label.startswith("lftp") for client in clients):
        print("lftp's cpu s are its own, without those of its ssh, for which it does not wait")
    if delay:
        share = max(each.proxy_share for client in clients for each in client.turns)
        print(f"the proxy took {share:.0%} of a core at most")
    sys.stdout.flush()


def one(options, host, home):
    folder = Folder(home / "one", 1, (options.mib or 200) * MIB)
    for round_trip_ms in options.delays or (0, 50, 100):
        clients = [
            Client("sftp", peers.sftp),
            Client("ours", peers.ours),
            Client("ours, chacha20-poly1305", lambda job: peers.ours(job, *CHACHA)),
            Client("scp", peers.scp),
            Client("rclone", peers.rclone),
            Client("lftp", peers.lftp),
            Client("paramiko", peers.paramiko),
        ]
        compare(f"one: a file of {folder.bytes // MIB} MiB, one session", clients, folder, options, host, round_trip_ms)
    shutil.rmtree(folder.path)


def four(options, host, home):
    folder = Folder(home / "four", 4, (options.mib or 100) * MIB)
    for round_trip_ms in options.delays or (50, 100):
        clients = [
            Client("sftp, one after the other", peers.sftp),
            Client("ours, 4 sessions", lambda job: peers.ours(job, "--sessions", "4")),
            Client("ours, 4, chacha20-poly1305", lambda job: peers.ours(job, "--sessions", "4", *CHACHA)),
            Client("sftp, 4 side by side", peers.sftp_side_by_side),
            Client("scp, one after the other", peers.scp),
            Client("rclone --transfers 4", lambda job: peers.rclone(job, 4)),
            Client("lftp mirror --parallel=4", lambda job: peers.lftp(job, 4)),
            Client("paramiko, 4 threads", lambda job: peers.paramiko(job, 4)),
        ]
        compare(f"four: 4 files of {folder.bytes // MIB // 4} MiB at once", clients, folder, options, host, round_trip_ms)
    shutil.rmtree(folder.path)


def split(options, host, home):
    folder = Folder(home / "split", 1, (options.mib or 1024) * MIB)
    for round_trip_ms in options.delays or (50, 100):
        clients = [
            Client("sftp", peers.sftp),
            Client("sftp, put -f (fsync)", lambda job: peers.sftp(job, "put -f")),
            Client("ours, 4 sessions, split", lambda job: peers.ours(job, "--sessions", "4", "--split")),
            Client("ours, 4 sessions, no fsync", lambda job: peers.ours(job, "--sessions", "4", "--split", "--no-fsync")),
            Client("ours, 4, chacha20-poly1305", lambda job: peers.ours(job, "--sessions", "4", "--split", *CHACHA)),
            Client("ours, 6 sessions, split", lambda job: peers.ours(job, "--sessions", "6", "--split")),
            Client("ours, 2 sessions, split", lambda job: peers.ours(job, "--sessions", "2", "--split")),
        ]
        compare(f"split: one file of {folder.bytes // MIB} MiB over several sessions", clients, folder, options, host,
                round_trip_ms)
        print("scp, rclone, lftp, paramiko: none (lftp's pget only downloads; rclone's streams are not for uploads by SFTP)")
    shutil.rmtree(folder.path)


def many(options, host, home):
    folder = Folder(home / "many", options.files, SMALL_BYTES)
    for round_trip_ms in options.delays or (0,):
        clients = [
            Client("sftp -b, a line a file", peers.sftp),
            Client("sftp -b, put *", peers.sftp_wildcard),
            Client("sftp -b, put -f (fsync)", lambda job: peers.sftp(job, "put -f")),
            Client("ours, 1 session (fsync)", peers.ours),
            Client("ours, 2 sessions (fsync)", lambda job: peers.ours(job, "--sessions", "2")),
            Client("ours, 1 session, fsync: false", lambda job: peers.ours(job, "--no-fsync")),
            Client("rclone", peers.rclone),
            Client("lftp mirror -R", peers.lftp),
            Client("paramiko", peers.paramiko),
        ]
        compare(f"many: {len(folder.files):,} files of {SMALL_BYTES} bytes", clients, folder, options, host, round_trip_ms,
                (1, "files/s"))
    shutil.rmtree(folder.path)


def memory(options, host, home):
    """Ours at several sizes: what does not grow with the file is about the same in each row."""
    print(f"\nmemory: the peak of ours by size of file, loopback (the limit is {MEMORY_MIB_MAX} MiB)")
    ways = {"1 session": (), "4 sessions, split": ("--sessions", "4", "--split")}
    print(f"{'':14}" + "".join(f"{way:>22}" for way in ways))
    over = False
    for mib in options.sizes:
        folder = Folder(home / "memory", 1, mib * MIB)
        peaks = [turn(Client(f"ours, {way}", lambda job: peers.ours(job, *flags)), host, None, folder, options.ours).peak_mib
                 for way, flags in ways.items()]
        shutil.rmtree(folder.path)
        over = over or max(peaks) >= MEMORY_MIB_MAX
        print(f"{f'{mib} MiB':14}" + "".join(f"{f'{peak:.1f} MiB':>22}" for peak in peaks), flush=True)
    if over:
        print("over the limit")


class Sink:
    """A process of its own that swallows what comes and says at the end how much it was, or sends back byte for byte."""
    CODE = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room, total = bytearray(1 << 20), 0
    if connection.recv(1) == b"p":
        while ball := connection.recv(1):
            connection.sendall(ball)
    else:
        while read := connection.recv_into(room):
            total += read
        connection.sendall(b"%d" % total)
    connection.close()
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())


def push(port, total):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"s")
        block = bytes(MIB)
        for _ in range(total // MIB):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        if int(connection.recv(64)) != total:
            sys.exit("the proxy lost bytes")


def proxy(options, *_):
    """What the delay passes on by itself: if that is not well above what a case reaches, the case measures the proxy."""
    sink = Sink()
    try:
        for round_trip_ms in options.delays or (50, 100):
            delay = hosts.Delay(sink.port, round_trip_ms)
            times_ms = []
            with socket.create_connection(("127.0.0.1", delay.port)) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(b"p")
                for _ in range(21):
                    began = time.monotonic()
                    connection.sendall(b"x")
                    connection.recv(1)
                    times_ms.append((time.monotonic() - began) * 1000)
            times_ms = sorted(times_ms[1:])  # the first waits for the connection
            print(f"\nproxy at {round_trip_ms} ms: a byte there and back in {statistics.median(times_ms):.2f} ms "
                  f"(from {times_ms[0]:.2f} to {times_ms[-1]:.2f})")
            for connections in (1, 4):
                total = (options.mib or 2048) // connections * MIB
                threads = [threading.Thread(target=push, args=(delay.port, total)) for _ in range(connections)]
                busy_s, began = hosts.cpu_s(delay.process), time.monotonic()
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                wall_s, busy_s = time.monotonic() - began, hosts.cpu_s(delay.process) - busy_s
                sent_mib = total * connections / MIB
                print(f"{connections} at once: {sent_mib / wall_s:.0f} MiB/s, {busy_s / sent_mib * 1024:.2f} CPU s a GiB",
                      flush=True)
            delay.stop()
    finally:
        sink.process.kill()
        sink.process.wait()


def ciphers(options, home):
    """What each client agrees on, as a talkative server tells it."""
    host = hosts.Sshd(home / "talkative", options.server, options.cipher, "DEBUG1")
    try:
        folder, agreed = Folder(home / "hello", 1, SMALL_BYTES), {}
        for name, command in (("ours", peers.ours), ("sftp", peers.sftp), ("scp", peers.scp), ("rclone", peers.rclone),
                              ("lftp", peers.lftp), ("paramiko", peers.paramiko)):
            told = host.log.stat().st_size
            turn(Client(name, command), host, None, folder, options.ours)
            found = re.findall(r"kex: client->server cipher: (\S+) MAC: (\S+)", host.log.read_text()[told:])
            cipher, mac = found[-1] if found else ("not seen", "")
            agreed.setdefault(cipher + ("" if mac in ("", "<implicit>") else f" {mac}"), []).append(name)
    finally:
        host.stop()
    return "; ".join(f"{', '.join(names)}: {cipher}" for cipher, names in agreed.items())


def describe(options, home):
    print(", ".join(f"{name} {version}" for name, version in peers.versions().items()))
    print(f"ciphers: {ciphers(options, home)}")
    kind = subprocess.check_output(["stat", "-f", "-c", "%T", home], text=True).strip()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start, files on {kind}, {options.server} SFTP server")
    if load > 0.5:
        print("the machine has other work: these figures say little")


CASES = {"one": one, "four": four, "split": split, "many": many, "memory": memory, "proxy": proxy}


def arguments():
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=[*CASES, "all"])
    parser.add_argument("--rounds", type=int, default=5, help="besides the warm-up; default %(default)s")
    parser.add_argument("--mib", type=int, help="size of each file; default: one 200, four 100, split 1024")
    parser.add_argument("--files", type=int, default=10_000, help="for many; default %(default)s")
    parser.add_argument("--delays", type=numbers, metavar="MS,MS", help="round trips, 0 for loopback; default: one 0,50,100, "
                        "four, split and proxy 50,100, many 0")
    parser.add_argument("--sizes", type=numbers, metavar="MIB,MIB", default=[64, 2048], help="for memory; default 64,2048")
    parser.add_argument("--server", choices=["internal", "external"], default="internal",
                        help="sshd's internal-sftp, or the sftp-server it starts; default %(default)s")
    parser.add_argument("--cipher", help="the only one the server takes, as aes128-gcm@openssh.com, which all have; "
                        "default: each client's own choice")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAME,NAME",
                        help="the clients whose names begin so, beside the first of the case")
    parser.add_argument("--folder", type=pathlib.Path, help="where the files of both ends lie; default: the temporary folder")
    parser.add_argument("--ours", type=pathlib.Path, help="another program than the bench sftp_bench")
    return parser.parse_args()


def main():
    options = arguments()
    if options.case != "proxy" and options.ours is None:
        options.ours = built.bench("sftp_bench")
    with tempfile.TemporaryDirectory(prefix="sftp-bench-", dir=options.folder) as home:
        home = pathlib.Path(home)
        if options.case == "proxy":
            return proxy(options)
        describe(options, home)
        host = hosts.Sshd(home / "host", options.server, options.cipher)
        try:
            for name in CASES if options.case == "all" else [options.case]:
                CASES[name](options, host, home)
        finally:
            host.stop()


main()
