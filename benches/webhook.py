#!/usr/bin/env python3
"""Webhooks with the durable ledger, beside a Python `httpx` loop that keeps its acknowledgements as durably.

    benches/tools
    target/tools/bin/python benches/webhook.py [requests|deliveries|memory]...

requests: one run of 20,000 rows, one row a request: signed requests with a kept acknowledgement a second.
deliveries: 2,000 pipelines whose receiver was away, and is back: one delivery each, with attempt, intent, acknowledgement,
receipt and the run's end in the ledger, a second. (And the same number of slots due together, made and delivered.)
memory: 100,000 and 1,000,000 rows, a thousand a request, under a limited address space; the process is killed half way
and goes on: peak memory, and what came twice.

The peer signs by the published `standardwebhooks` library and has each acknowledgement in SQLite (WAL, synchronous=FULL)
before the next request: one after the other, and with as many at once as we have. All send to the same receiver, which
verifies a sample and refuses an id that comes with another body. They take turns; printed are medians and ratios.
IN_FLIGHT=16 asks for as many requests at once, ours and the peer's; half of `work.deliveries` may go to one destination.
"""

import atexit, base64, json, os, resource, shutil, signal, socket, sqlite3, statistics, subprocess, sys, tempfile, threading, time
import urllib.request
from datetime import datetime, timezone

import httpx
from standardwebhooks.webhooks import Webhook

import built

RECEIVER = os.environ.get("RECEIVER") or built.bench("webhook_receiver")
BINARY = os.environ.get("BINARY") or built.binary()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
IN_FLIGHT = int(os.environ.get("IN_FLIGHT", 4))  # 4 is our default
ROUNDS = int(os.environ.get("ROUNDS", 3))
REQUESTS = int(os.environ.get("REQUESTS", 20_000))
DELIVERIES = int(os.environ.get("DELIVERIES", 2_000))
PEER = 3_000  # requests of the peer: its pace does not depend on how many there are
ADDRESS_SPACE = 1 << 30
SETTINGS = """
destinations:
  hook:
    webhook: {url: "http://127.0.0.1:%d/hook", secret: {file: secret}, allow: [loopback], batch: {rows: %d}, in_flight: %d}
    retry: {initial: 30s, max: 30s, give_up_after: 24h}
work: {deliveries: %d}
log: {filter: warn}
"""
PIPELINE = """%ssource: {file: {path: in.csv}}
artifact: {name: "%s_{slot:%%Y%%m%%dT%%H%%M}.csv"}
deliver: {hook: {}}
"""


class Receiver:
    def __init__(self, port=0):
        self.process = subprocess.Popen([RECEIVER, SECRET, str(port)], stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def seen(self, forget=False):
        request = urllib.request.Request(self.url, method="DELETE" if forget else "GET")
        seen = json.load(urllib.request.urlopen(request))
        if seen["refused"]:
            sys.exit(f"the receiver refused: {seen['refused'][:3]}")
        return seen

    def stop(self):
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def folder_for(port, rows, batch):
    folder = tempfile.mkdtemp(prefix="webhook-")
    os.makedirs(f"{folder}/pipelines")
    open(f"{folder}/secret", "w").write(SECRET)
    open(f"{folder}/reportferry.yaml", "w").write(SETTINGS % (port, batch, IN_FLIGHT, max(8, 2 * IN_FLIGHT)))
    with open(f"{folder}/in.csv", "w") as out:
        out.write("n,email,course,done\n")
        out.writelines(f"{i},person.{i}@example.com,C-{i % 500:05},2026-11-{1 + i % 28:02}\n" for i in range(rows))
    return folder


def reportferry(folder, *words, **more):
    with open(f"{folder}/log", "a") as log:
        command = [BINARY, "--config", f"{folder}/reportferry.yaml", *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, **more)
    atexit.register(process.kill)
    return process


def body(i):
    row = {"n": None, "email": f"person.{i}@example.com", "course": f"C-{i % 500:05}", "done": "2026-11-01"}
    data = {"pipeline": "peer", "run": "0" * 16, "batch": {"number": i, "of": PEER, "rows": 1}, "rows": [row]}
    return json.dumps({"type": "rows", "timestamp": "2026-11-23T05:30:00Z", "data": data}, separators=(",", ":"))


def peer(url, at_once):
    """Signed requests a second, each acknowledged and kept before the thread's next."""
    with tempfile.TemporaryDirectory(prefix="webhook-") as folder:
        ledger = sqlite3.connect(f"{folder}/a.db", isolation_level=None, check_same_thread=False)
        ledger.execute("PRAGMA journal_mode = WAL")
        ledger.execute("PRAGMA synchronous = FULL")
        ledger.execute("CREATE TABLE acknowledged (id TEXT PRIMARY KEY, at REAL, status INTEGER)")
        lock, hook, left = threading.Lock(), Webhook(SECRET), iter(range(PEER))

        def send():
            with httpx.Client() as client:
                while (i := next(left, None)) is not None:
                    id, now, text = f"peer-{at_once}-{begun}-{i}", datetime.now(timezone.utc), body(i)
                    headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp())),
                               "webhook-signature": hook.sign(id, now, text), "content-type": "application/json"}
                    answer = client.post(url, content=text, headers=headers)
                    answer.raise_for_status()
                    with lock:
                        ledger.execute("INSERT INTO acknowledged VALUES (?, ?, ?)", (id, time.time(), answer.status_code))

        begun = time.time()
        threads = [threading.Thread(target=send) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.execute("SELECT COUNT(*) FROM acknowledged").fetchone()[0] == PEER
        return PEER / (time.time() - begun)


def requests(receiver):
    """One run of as many requests as rows."""
    receiver.seen(forget=True)
    folder = folder_for(receiver.port, REQUESTS, 1)
    open(f"{folder}/pipelines/one.yaml", "w").write(PIPELINE % ("", "one"))
    assert reportferry(folder, "run", "one").wait() == 0
    seen, ledger = receiver.seen(), sqlite3.connect(f"{folder}/data/ledger.db")
    assert (seen["ids"], seen["requests"], seen["whole"]) == (REQUESTS, REQUESTS, REQUESTS), seen
    assert ledger.execute("SELECT COUNT(*) FROM acked_batches").fetchone()[0] == REQUESTS
    started, ended = ledger.execute("SELECT started_ms, ended_ms FROM receipts").fetchone()
    shutil.rmtree(folder)
    return REQUESTS / (ended - started) * 1000


def due_soon(count):
    """Pipelines that are due together, at the next minute."""
    time.sleep(max(0, 60 - time.time() % 60 + 1) if time.time() % 60 > 30 else 0)
    due = time.gmtime(time.time() // 60 * 60 + 60)
    schedule = f'schedule: {{cron: "{due.tm_min} {due.tm_hour} * * *", timezone: UTC}}\n'
    return {f"due{i}": PIPELINE % (schedule, f"due{i}") for i in range(count)}


def until(what, worker, condition):
    deadline = time.time() + 300
    while not condition():
        time.sleep(0.2)
        assert worker.poll() is None and time.time() < deadline, what


def deliveries():
    """What waits for a receiver that was away; then, what is due together while it is there."""
    port = free_port()
    folder = folder_for(port, 10, 1000)
    for name, text in due_soon(DELIVERIES).items():
        open(f"{folder}/pipelines/{name}.yaml", "w").write(text)
    worker = reportferry(folder, "work")
    while not os.path.exists(f"{folder}/data/ledger.db"):
        time.sleep(0.1)
    ledger = sqlite3.connect(f"{folder}/data/ledger.db", timeout=30)

    def count(query):
        try:
            return ledger.execute(query).fetchone()[0]
        except sqlite3.OperationalError:  # its tables are not there yet
            return 0

    until("made", worker, lambda: count("SELECT COUNT(*) FROM deliveries WHERE failures > 0") == DELIVERIES)
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    # All of them are due again when the worker is back.
    time.sleep(max(0, count("SELECT MAX(due_ms) FROM deliveries") / 1000 - time.time()))
    receiver = Receiver(port)
    worker = reportferry(folder, "work")
    until("delivered", worker, lambda: count("SELECT COUNT(*) FROM runs WHERE state = 'delivered'") == DELIVERIES)
    first, last = ledger.execute("SELECT MIN(r.started_ms), MAX(u.updated_ms) FROM receipts r JOIN runs u ON u.id = r.run_id").fetchone()
    seen = receiver.seen(forget=True)
    assert seen["ids"] == DELIVERIES and seen["repeated"] == 0, seen
    waiting = DELIVERIES / (last - first) * 1000
    before = time.time() * 1000
    for name, text in due_soon(DELIVERIES).items():
        open(f"{folder}/pipelines/{name}.yaml", "w").write(text)
    ready = f"FROM runs WHERE state = 'delivered' AND created_ms > {before}"
    until("delivered", worker, lambda: count(f"SELECT COUNT(*) {ready}") == DELIVERIES)
    slot, last = ledger.execute(f"SELECT MIN(slot_ms), MAX(updated_ms) {ready}").fetchone()
    receiver.seen()
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    receiver.stop()
    shutil.rmtree(folder)
    return waiting, DELIVERIES / (last - slot) * 1000


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def peak(process):
    """Waits for its end; its exit code, and the most memory it ever had, in MiB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024


def memory(rows):
    receiver = Receiver()
    folder = folder_for(receiver.port, rows, 1000)
    open(f"{folder}/pipelines/one.yaml", "w").write(PIPELINE % ("", "one"))
    batches, slot, begun = rows // 1000, ["run", "one", "--slot", "2026-11-23T05:30:00Z"], time.time()
    process = reportferry(folder, *slot, preexec_fn=limited)
    while receiver.seen()["batches"] < batches // 2:
        time.sleep(0.01)
    process.kill()
    _, before = peak(process)
    ledger = sqlite3.connect(f"{folder}/data/ledger.db", timeout=30)
    kept, came = ledger.execute("SELECT COUNT(*) FROM acked_batches").fetchone()[0], receiver.seen()["requests"]
    code, after = peak(reportferry(folder, *slot, preexec_fn=limited))
    seen = receiver.seen()
    assert code == 0 and seen["whole"] == rows and seen["ids"] == batches, (code, seen)
    assert seen["requests"] == came + batches - kept, "an acknowledged batch was sent again"
    took = time.time() - begun
    receiver.stop()
    shutil.rmtree(folder)
    print(f"{rows:,} rows: peak {before:.0f} MiB, killed at {kept} of {batches} batches kept; peak {after:.0f} MiB to the end; "
          f"{seen['repeated']} came twice (at most {IN_FLIGHT} were under way); {took:.1f} s in all", flush=True)


def compare(what, ours, theirs):
    us = statistics.median(ours)
    print(f"{what}: {us:,.0f} a second", flush=True)
    for name, figures in theirs.items():
        they = statistics.median(figures)
        print(f"    httpx, {name}: {they:,.0f} a second; ours to theirs {us / they:.2f}", flush=True)


def main():
    wanted = sys.argv[1:] or ["requests", "deliveries", "memory"]
    theirs = {"one after the other": [], f"{IN_FLIGHT} at once": []}
    together, waiting, whole = [], [], []
    if "requests" in wanted or "deliveries" in wanted:
        for _ in range(ROUNDS):
            receiver = Receiver()
            theirs["one after the other"].append(peer(receiver.url, 1))
            theirs[f"{IN_FLIGHT} at once"].append(peer(receiver.url, IN_FLIGHT))
            if "requests" in wanted:
                together.append(requests(receiver))
            receiver.stop()
            if "deliveries" in wanted:
                figures = deliveries()
                waiting.append(figures[0])
                whole.append(figures[1])
    if together:
        compare(f"requests, {REQUESTS:,} of one run", together, theirs)
    if waiting:
        compare(f"deliveries, {DELIVERIES:,} that waited", waiting, theirs)
        compare(f"slots, {DELIVERIES:,} made and delivered", whole, theirs)
    if "memory" in wanted:
        for rows in (100_000, 1_000_000):
            memory(rows)


main()
