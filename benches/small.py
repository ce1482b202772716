#!/usr/bin/env python3
"""A complete small run, as most reports are: a file, filtered, re-zoned and hashed, into a folder, with its receipt in the ledger.

    benches/tools
    target/tools/bin/python benches/small.py [ROUNDS [ROWS [BINARY]]] [--cold] [--json]

20 rounds of 10,000 rows by default, after one that warms up and makes the ledger. Ours, the real binary, takes turns with
DuckDB's COPY of the same rows, run in three ways: by a Python process, by DuckDB's own program, and within a Python that
has been running since before the first round. Prints the medians of wall time, and ours divided by each (below 1: ours is
less); and how often a run of ours waits for the disk (fsync and fdatasync, counted by strace). DuckDB waits for it never.
The outputs are compared byte by byte.

Warm by default: programs and input are in the page cache, for all alike. With `--cold` the programs, DuckDB's modules and
the input are dropped from the page cache before each run; a running Python, which would hold its modules there, has no part
in it.
"""
import argparse
import datetime
import filecmp
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

import built
from transform_peers import DUCKDB_PROGRAM, PYTHON, ROOT, said

SETTINGS = "data: data\ndestinations: {out: {local: {path: out, mkdir: true}}}\n"
PIPELINE = """
source: {file: {path: in.csv}}
transform:
  - filter: status <> 'Not Started'
  - set:
      done: format_time(done, '%m/%d/%Y %H:%M:%S', 'America/New_York')
      email: sha256(email)
  - select: [employee_id, email, course, done]
artifact: {name: "{slot:%Y%m%d%H%M}.csv"}
deliver: {out: {}}
"""
SQL = """set threads = 2; set timezone = 'UTC'; copy (
  select employee_id, sha256(email) as email, course,
    strftime(timezone('America/New_York', timezone('UTC', cast(done as timestamp))), '%m/%d/%Y %H:%M:%S') as done
  from read_csv('in.csv', all_varchar=true, header=true, delim=',', quote='"') where status <> 'Not Started'
) to 'theirs.csv' (header, delimiter ',')"""
PROCESS = "import duckdb, sys; duckdb.connect().execute(sys.argv[1])"
# Copies once for each line that it reads, over a connection that stays open.
RUNNING = """
import duckdb, sys
db = duckdb.connect()
for line in sys.stdin:
    db.execute(sys.argv[1])
    print(flush=True)
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rounds", nargs="?", type=int, default=20)
    parser.add_argument("rows", nargs="?", type=int, default=10_000)
    parser.add_argument("binary", nargs="?", help="reportferry, already built")
    parser.add_argument("--cold", action="store_true", help="drop programs and input from the page cache before each run")
    parser.add_argument("--json", action="store_true", help="JSON in place of the table")
    return parser.parse_args()


def generate(path, rows):
    chance = random.Random(7)
    with open(path, "w", newline="") as file:
        file.write("employee_id,email,course,status,done\n")
        for row in range(rows):
            day, second = chance.randrange(1, 29), chance.randrange(86_400)
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            status = ["Completed", "In Progress", "Not Started"][row % 3]
            file.write(f"{row:08},person.{row}@example.com,C-{row % 500:05},{status},"
                       f"2026-{chance.randrange(1, 13):02}-{day:02} {clock}\n")


class Clients:
    """Each way to make the file, as a function from the number of the round to the name of the output."""

    def __init__(self, binary, home, cold):
        self.binary, self.home = binary, home
        self.all = {
            "ours": self.ours,
            "DuckDB, Python process": lambda _: self.start([PYTHON, "-c", PROCESS, SQL]),
            "DuckDB, own program": lambda _: self.start([DUCKDB_PROGRAM, "-init", os.devnull, "-c", SQL]),
        }
        if not cold:
            self.running = subprocess.Popen([PYTHON, "-c", RUNNING, SQL], cwd=home, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.all["DuckDB, running Python"] = lambda _: self.ask()

    def ours(self, number):
        command, output = self.run_of(number)
        self.start(command)
        return output

    def run_of(self, number):
        slot = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=number)
        return [self.binary, "run", "small", "--slot", slot.isoformat()], f"out/{slot:%Y%m%d%H%M}.csv"

    def start(self, command):
        subprocess.run(command, cwd=self.home, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return "theirs.csv"

    def ask(self):
        self.running.stdin.write("\n")
        self.running.stdin.flush()
        if not self.running.stdout.readline():
            sys.exit("the running Python failed")
        return "theirs.csv"

    def close(self):
        if "DuckDB, running Python" in self.all:
            self.running.communicate()

    def files(self):
        """Returns what a cold run reads from the disk."""
        modules = (path for path in (ROOT / "target/peers").rglob("*duckdb*/**/*") if path.is_file())
        libraries = ROOT.glob("target/peers/lib/python3*/site-packages/_duckdb*.so")
        return [pathlib.Path(self.binary), self.home / "in.csv", *modules, *libraries]


def drop_from_cache(files):
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def syncs(clients, number):
    """Returns the waits for the disk of one more run, by system call."""
    command, _ = clients.run_of(number)
    counted = clients.home / "syncs"
    clients.start(["strace", "-f", "-o", counted, "-e", "trace=fsync,fdatasync,sync_file_range,msync,syncfs", *command])
    return re.findall(r"^\d+ +(\w+)\(", counted.read_text(), re.M)


def measure(clients, given):
    """Returns the seconds of each client, without those of the first round."""
    seconds = {name: [] for name in clients.all}
    cold = clients.files() if given.cold else []
    os.sync()  # a page that was not written yet cannot be dropped
    for number in range(given.rounds + 1):
        for name, client in clients.all.items():
            drop_from_cache(cold)
            started = time.monotonic()
            made = clients.home / client(number)
            seconds[name].append(time.monotonic() - started)
            if name == "ours":
                ours = made
            elif not filecmp.cmp(ours, made, shallow=False):
                sys.exit(f"the outputs of ours and of {name} differ")
    return {name: column[1:] for name, column in seconds.items()}


def main():
    given = arguments()
    said(PYTHON, "-c", "import duckdb")
    said(DUCKDB_PROGRAM, "-version")
    binary = os.path.abspath(given.binary or built.binary())
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "pipelines").mkdir()
        (home / "reportferry.yaml").write_text(SETTINGS)
        (home / "pipelines/small.yaml").write_text(PIPELINE)
        generate(home / "in.csv", given.rows)
        clients = Clients(binary, home, given.cold)
        seconds = measure(clients, given)
        waits = syncs(clients, given.rounds + 1)
        clients.close()
    ours = statistics.median(seconds["ours"])
    results = {name: {"wall_s": statistics.median(column), "best_s": min(column), "ratio": ours / statistics.median(column)}
               for name, column in seconds.items()}
    if given.json:
        print(json.dumps({"rows": given.rows, "rounds": given.rounds, "cold": given.cold, "clients": results, "syncs": waits}))
        return
    print(f"{given.rows:,} rows, {given.rounds} rounds, in turn, {'cold' if given.cold else 'warm'}")
    print(f"{'':24} {'wall ms':>8} {'best ms':>8} {'ours / it':>10}")
    for name, result in results.items():
        print(f"{name:24} {result['wall_s'] * 1000:8.1f} {result['best_s'] * 1000:8.1f} {result['ratio']:10.3f}")
    print(f"ours waits for the disk {len(waits)} times: {', '.join(waits)}")


main()
