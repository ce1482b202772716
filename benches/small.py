#!/usr/bin/env python3
"""A complete small run, as most reports are: a file, filtered, re-zoned and hashed, into a folder, with its receipt in the ledger.

    target/tools/bin/python benches/small.py [ROUNDS [ROWS [BINARY]]]

20 rounds of 10,000 rows by default, after one that warms up and makes the ledger. Prints the medians of wall time of the
real binary and of DuckDB's COPY (a Python process each), their ratio (below 1: ours is less), and how often a run waits
for the disk (fsync and fdatasync, counted by strace). The outputs are compared byte by byte.
"""
import datetime
import filecmp
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

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
ROWS = int(sys.argv[2].replace("_", "")) if len(sys.argv) > 2 else 10_000
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
DUCKDB = """
import duckdb, sys
db = duckdb.connect(config={'threads': 2})
db.execute("set timezone = 'UTC'")
db.execute(f'''copy (
  select employee_id, sha256(email) as email, course,
    strftime(timezone('America/New_York', timezone('UTC', cast(done as timestamp))), '%m/%d/%Y %H:%M:%S') as done
  from read_csv('{sys.argv[1]}', all_varchar=true, header=true, delim=',', quote='"') where status <> 'Not Started'
) to '{sys.argv[2]}' (header, delimiter ',')''')
"""


def generate(path):
    chance = random.Random(7)
    with open(path, "w", newline="") as file:
        file.write("employee_id,email,course,status,done\n")
        for row in range(ROWS):
            day, second = chance.randrange(1, 29), chance.randrange(86_400)
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            status = ["Completed", "In Progress", "Not Started"][row % 3]
            file.write(f"{row:08},person.{row}@example.com,C-{row % 500:05},{status},"
                       f"2026-{chance.randrange(1, 13):02}-{day:02} {clock}\n")


def wall(command, folder):
    started = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.monotonic() - started


def run_of(program, number):
    slot = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=number)
    return [program, "run", "small", "--slot", slot.isoformat()], f"out/{slot:%Y%m%d%H%M}.csv"


def syncs(program, folder):
    """Returns the waits for the disk of one more run, by system call."""
    command, _ = run_of(program, ROUNDS + 1)
    counted = os.path.join(folder, "syncs")
    trace = ["strace", "-f", "-o", counted, "-e", "trace=fsync,fdatasync,sync_file_range,msync,syncfs"]
    subprocess.run([*trace, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return re.findall(r"^\d+ +(\w+)\(", pathlib.Path(counted).read_text(), re.M)


def main():
    program = sys.argv[3] if len(sys.argv) > 3 else str(built.binary())
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "pipelines").mkdir()
        (home / "reportferry.yaml").write_text(SETTINGS)
        (home / "pipelines/small.yaml").write_text(PIPELINE)
        generate(home / "in.csv")
        print(f"{ROWS:,} rows, {ROUNDS} rounds, in turn")
        ours, theirs = [], []
        for number in range(ROUNDS + 1):
            command, output = run_of(program, number)
            ours.append(wall(command, folder))
            theirs.append(wall([sys.executable, "-c", DUCKDB, "in.csv", "theirs.csv"], folder))
            if not filecmp.cmp(home / output, home / "theirs.csv", shallow=False):
                sys.exit("the outputs differ")
        mine, peer = statistics.median(ours[1:]), statistics.median(theirs[1:])
        print(f"ours    {mine * 1000:7.1f} ms   (best {min(ours[1:]) * 1000:.1f})")
        print(f"DuckDB  {peer * 1000:7.1f} ms   (best {min(theirs[1:]) * 1000:.1f})")
        print(f"ratio   {mine / peer:7.3f}")
        made = syncs(program, folder)
        print(f"syncs   {len(made):7}      ({', '.join(made)})")


main()
