#!/usr/bin/env python3
"""What an operator waits for on a ledger with much history, and how long a writer waits while it is pruned.

    cargo build --release && python3 benches/operate.py [PIPELINES] [DAYS]

Default: 10,000 pipelines with one run on each of 90 days. BINARY names another binary than the release build.
"""

import hashlib, os, sqlite3, subprocess, sys, tempfile, time

import built

PIPELINES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
DAYS = int(sys.argv[2]) if len(sys.argv) > 2 else 90
BINARY = os.environ.get("BINARY") or built.binary()
PIPELINE = """schedule: {cron: "%d 5 * * *", timezone: America/New_York, expected_by: "06:30"}
source: {file: {path: in.csv}}
transform: [{filter: "score > 10"}]
artifact: {name: "%s_{slot:%%Y%%m%%d}.csv"}
deliver: {out: {}}
"""
DAY = 86_400_000
ROUNDS = 3


def state(pipeline, day):
    chance = (pipeline * 7919 + day * 104_729) % 1000
    return "failed" if chance < 10 else "skipped" if chance < 30 else "held" if chance == 30 and day < 10 else "delivered"


def runs(now):
    for day in range(DAYS, 0, -1):
        for pipeline in range(PIPELINES):
            slot = now - day * DAY + (pipeline % 1440) * 1000
            run = hashlib.sha256(b"%d.%d" % (pipeline, day)).hexdigest()[:16]
            at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(slot // 1000))
            yield run, "p%05d" % pipeline, slot, at, state(pipeline, day), "d" * 64, slot, slot + 60_000, slot + 3_600_000


def fill(path):
    now = int(time.time() * 1000)
    ledger = sqlite3.connect(path)
    ledger.execute("PRAGMA synchronous = OFF")
    ledger.executemany(
        "INSERT INTO runs (id, pipeline, slot_ms, slot, state, plan_digest, created_ms, updated_ms, deadline_ms, origin) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'schedule')", runs(now))
    ledger.execute("INSERT INTO events SELECT id, 1, created_ms, json_object('entered', json_object('slot', slot)) FROM runs")
    ledger.execute("INSERT INTO deliveries (run_id, destination, required, state, attempts, failures) "
                   "SELECT id, 'out', 1, 'delivered', 1, 0 FROM runs WHERE state = 'delivered'")
    ledger.executemany("INSERT OR IGNORE INTO pipelines (name, cursor_ms) VALUES (?, ?)",
                       (("p%05d" % pipeline, now) for pipeline in range(PIPELINES)))
    ledger.commit()
    ledger.close()


def measure(folder, *arguments):
    took = []
    for _ in range(ROUNDS):
        begun = time.time()
        subprocess.run([BINARY, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took.append(time.time() - begun)
    print("%7.2f s  %s" % (min(took), " ".join(arguments)))


def beside_prune(folder, path):
    """How long a transaction takes that is begun every 20 ms while half of the history is pruned."""
    pruning = subprocess.Popen([BINARY, "--set", "keep.runs=%dd" % (DAYS // 2), "prune", "--yes"], cwd=folder,
                               stdout=subprocess.PIPE, text=True)
    ledger = sqlite3.connect(path, timeout=30, isolation_level=None)
    begun, waits = time.time(), []
    while pruning.poll() is None:
        asked = time.time()
        ledger.execute("BEGIN IMMEDIATE")
        ledger.execute("UPDATE pipelines SET problem = NULL WHERE name = 'p00000'")
        ledger.execute("COMMIT")
        waits.append(time.time() - asked)
        time.sleep(0.02)
    waits.sort()
    print("%7.2f s  prune, %s" % (time.time() - begun, pruning.stdout.read().strip()))
    print("         a writer beside it waits %.0f ms at most, %.0f ms in 99 of 100 cases"
          % (waits[-1] * 1000, waits[len(waits) * 99 // 100] * 1000))


with tempfile.TemporaryDirectory() as folder:
    os.mkdir(os.path.join(folder, "pipelines"))
    with open(os.path.join(folder, "reportferry.yaml"), "w") as settings:
        settings.write("destinations: {out: {local: {path: out, mkdir: true}}}\n")
    subprocess.run([BINARY, "status"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    for pipeline in range(PIPELINES):
        name = "p%05d" % pipeline
        with open(os.path.join(folder, "pipelines", name + ".yaml"), "w") as file:
            file.write(PIPELINE % (pipeline % 60, name))
    path = os.path.join(folder, "data", "ledger.db")
    fill(path)
    print("%d pipelines, %d runs" % (PIPELINES, PIPELINES * DAYS))
    for words in ("status", "status --attention", "runs", "runs p00042", "runs --state failed,held --since 7d",
                  "runs --state delivered", "show 00ff0", "prune"):
        measure(folder, *words.split())
    beside_prune(folder, path)
