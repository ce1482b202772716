#!/usr/bin/env python3
"""The worker with many pipelines: what 10,000 idle ones cost, and how soon 1,000 that are due together are entered.

    python3 benches/scale.py [IDLE] [DUE] [SECONDS]

Idle: CPU as a part of one core and resident memory over SECONDS (default 60), after the start. Due: all in the same
second; how long after that second the last slot was in the ledger, and when the last one was delivered.
"""

import os, signal, sqlite3, subprocess, sys, tempfile, time

import built

IDLE = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
DUE = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 60
BINARY = built.binary()
PIPELINE = """schedule: {cron: "%s", timezone: UTC}
source: {file: {path: in.csv}}
transform: [{filter: "score > 10"}]
artifact: {name: "%s_{slot:%%Y%%m%%dT%%H%%M}.csv"}
deliver: {out: {}}
"""


def ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def memory(pid, name):
    return next(int(line.split()[1]) // 1024 for line in open(f"/proc/{pid}/status") if line.startswith(name))


def main():
    with tempfile.TemporaryDirectory() as home:
        os.makedirs(f"{home}/pipelines")
        os.makedirs(f"{home}/out")
        open(f"{home}/reportferry.yaml", "w").write("destinations: {out: {local: {path: out}}}\n")
        open(f"{home}/in.csv", "w").write("id,score\n" + "".join(f"{i:06d},{i % 100}\n" for i in range(100)))
        for i in range(IDLE):
            cron = f"{i % 60} {i // 60 % 24} 29 2 *"
            open(f"{home}/pipelines/idle{i}.yaml", "w").write(PIPELINE % (cron, f"idle{i}"))
        log = open(f"{home}/log", "w")
        begun = time.time()
        worker = subprocess.Popen([BINARY, "--config", f"{home}/reportferry.yaml", "work"], stderr=log)
        while "worker started" not in open(f"{home}/log").read():
            time.sleep(0.05)
            assert worker.poll() is None, open(f"{home}/log").read()
        print(f"{IDLE} pipelines read in {time.time() - begun:.1f} s")
        time.sleep(5)
        before, begun = ticks(worker.pid), time.time()
        time.sleep(SECONDS)
        spent = (ticks(worker.pid) - before) / os.sysconf("SC_CLK_TCK") / (time.time() - begun)
        print(f"idle: {100 * spent:.2f} % of one core, {memory(worker.pid, 'VmRSS')} MiB resident")
        # Written early in a minute, due at the next.
        time.sleep(max(0, 60 - time.time() % 60 + 1) if time.time() % 60 > 30 else 0)
        due = time.gmtime(time.time() // 60 * 60 + 60)
        for i in range(DUE):
            cron = f"{due.tm_min} {due.tm_hour} * * *"
            open(f"{home}/pipelines/due{i}.yaml", "w").write(PIPELINE % (cron, f"due{i}"))
        ledger = sqlite3.connect(f"file:{home}/data/ledger.db?mode=ro", uri=True)
        deadline = time.time() + 300
        count = lambda state: ledger.execute("SELECT COUNT(*) FROM runs WHERE state LIKE ?", (state,)).fetchone()[0]
        while count("delivered") < DUE:
            time.sleep(0.2)
            assert time.time() < deadline, ledger.execute("SELECT state, COUNT(*) FROM runs GROUP BY state").fetchall()
        entered, ended = ledger.execute("SELECT MAX(created_ms - slot_ms), MAX(updated_ms - slot_ms) FROM runs").fetchone()
        print(f"{DUE} due together: the last entered after {entered / 1000:.2f} s, the last delivered after "
              f"{ended / 1000:.1f} s; at most {memory(worker.pid, 'VmHWM')} MiB")
        worker.send_signal(signal.SIGTERM)
        worker.wait()


main()
