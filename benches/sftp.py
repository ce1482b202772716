#!/usr/bin/env python3
"""One file up, ours against OpenSSH's `sftp`, in turn: on loopback and behind a delay of 50 ms there and back.

usage: benches/sftp.py [MIB] [ROUNDS]        (after: cargo build --release --example sftp_bench)

Prints the median seconds of each, the ratio of their speeds (above 1: ours is faster) and the peak memory.
The delay is a proxy of this script's own that holds each block back for half the round trip.
"""

import asyncio
import hashlib
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / "target/release/examples/sftp_bench"
ROUND_TRIP_S = 0.050


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return


def start_sshd(home):
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    (home / "drop").mkdir()
    port = free_port()
    (home / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    log = open(home / "log", "w")
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", home / "config"], stderr=log)
    wait_for(port)
    return server, port


async def pump(reader, writer):
    """Passes blocks on, each half a round trip after it came; no more than 64 MiB wait."""
    held = asyncio.Queue(maxsize=1024)

    async def send():
        while (item := await held.get()) is not None:
            due, block = item
            await asyncio.sleep(max(0, due - time.monotonic()))
            writer.write(block)
            await writer.drain()
        writer.close()

    sender = asyncio.create_task(send())
    while block := await reader.read(65536):
        await held.put((time.monotonic() + ROUND_TRIP_S / 2, block))
    await held.put(None)
    await sender


def start_proxy(port):
    ready, at = threading.Event(), []

    async def serve(reader, writer):
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        for end in (writer, up_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer), return_exceptions=True)

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        at.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    ready.wait()
    return at[0]


def timed(command, **options):
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - started


def main():
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        server, direct = start_sshd(home)
        try:
            source = home / "source"
            source.write_bytes(os.urandom(1 << 20) * mib)
            digest = hashlib.sha256(source.read_bytes()).hexdigest()
            pin = subprocess.check_output(["ssh-keygen", "-l", "-f", home / "host"], text=True).split()[1]
            user = subprocess.check_output(["id", "-un"], text=True).strip()
            (home / "batch").write_text(f"put {source} {home}/drop/theirs.bin\n")
            for name, port in (("loopback", direct), ("50 ms", start_proxy(direct))):
                ours, theirs = [], []
                for _ in range(rounds):
                    theirs.append(timed(["sftp", "-q", "-b", home / "batch", "-P", str(port), "-i", home / "user",
                                         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                                         "-o", "IdentitiesOnly=yes", f"{user}@127.0.0.1"]))
                    ours.append(timed([OURS, source, digest, "127.0.0.1", str(port), user, home / "user", pin, home / "drop"]))
                    sent = (home / "drop/ours.bin").stat().st_size
                    assert sent == mib << 20, f"{sent} bytes arrived"
                us, they = statistics.median(ours), statistics.median(theirs)
                print(f"{name:9} {mib} MiB: ours {us:.2f} s ({mib / us:.0f} MiB/s), "
                      f"OpenSSH {they:.2f} s ({mib / they:.0f} MiB/s), ratio {they / us:.2f}", flush=True)
            peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            print(f"peak memory of the largest of both: {peak_kib / 1024:.0f} MiB")
        finally:
            server.terminate()
            server.wait()


main()
