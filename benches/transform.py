#!/usr/bin/env python3
"""Filter, rename, move to another zone and hash 1 million rows: ours and DuckDB in turn.

    target/tools/bin/python benches/transform.py [ROUNDS]

Prints the medians of wall time, CPU time and peak memory, and their ratios (below 1: ours is less). The outputs are
compared byte by byte.
"""
import filecmp
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import built

ROWS = 1_000_000
DUCKDB = """
import duckdb, sys
db = duckdb.connect(config={'threads': 2})
db.execute("set timezone = 'UTC'")
db.execute('set enable_progress_bar = false')
db.execute(f'''copy (
  select "Employee Number" as employee_id, "First Name", "Last Name", sha256("Email") as email,
    "Course Code" as course, "Course Title", "Course Enrollment Status" as status, "Enrollment Date",
    strftime(timezone('America/New_York', timezone('UTC', cast("Completion Date" as timestamp))),
             '%m/%d/%Y %H:%M:%S') as done, "Score", "Branch"
  from read_csv('{sys.argv[1]}', all_varchar=true, header=true, delim=',', quote='"')
  where "Course Enrollment Status" <> 'Not Started'
) to '{sys.argv[2]}' (header, delimiter ',')''')
"""


def generate(path):
    chance = random.Random(7)
    statuses = ["Completed", "In Progress", "Not Started", "Completed", "Completed"]
    with open(path, "w", newline="") as file:
        file.write("Employee Number,First Name,Last Name,Email,Course Code,Course Title,Course Enrollment Status,"
                   "Enrollment Date,Completion Date,Score,Branch\n")
        for row in range(ROWS):
            day, second = chance.randrange(1, 29), chance.randrange(86_400)
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            month, year = chance.randrange(1, 13), chance.randrange(2022, 2027)
            file.write(f"{row:08},First{row % 977},Lastname{row % 7919},person.{row}@example.com,"
                       f"C-{row % 500:05},Compliance Training Module {row % 500},{statuses[row % 5]},"
                       f"{year}-{month:02}-01 08:00:00,{year}-{month:02}-{day:02} {clock},{row % 101},"
                       f"Region {row % 12} / Site {row % 144}\n")


def measure(command):
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    program = built.bench("transform")
    with tempfile.TemporaryDirectory() as folder:
        source, ours, theirs = (os.path.join(folder, name) for name in ("in.csv", "ours.csv", "theirs.csv"))
        generate(source)
        print(f"{ROWS:,} rows, {os.path.getsize(source) / 1e6:.0f} MB, {rounds} rounds, in turn")
        baseline = measure([sys.executable, "-c", "import duckdb; duckdb.connect()"])
        measured = {"ours": [], "DuckDB": []}
        for _ in range(rounds):
            measured["ours"].append(measure([program, source, ours]))
            measured["DuckDB"].append(measure([sys.executable, "-c", DUCKDB, source, theirs]))
        if not filecmp.cmp(ours, theirs, shallow=False):
            sys.exit("the outputs differ")
        medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in measured.items()}
        for name, (wall, cpu, memory) in medians.items():
            print(f"{name:8} wall {wall:6.3f} s   CPU {cpu:6.3f} s   peak {memory:7.1f} MiB")
        print(f"         (of DuckDB's, starting Python takes {baseline[0]:.3f} s wall, {baseline[1]:.3f} s CPU)")
        net = [medians["DuckDB"][0] - baseline[0], medians["DuckDB"][1] - baseline[1], medians["DuckDB"][2]]
        ratios = [ours / theirs for ours, theirs in zip(medians["ours"], net)]
        print("ratio    wall {:6.2f}     CPU {:6.2f}     peak {:7.3f}   (start-up taken off)".format(*ratios))


main()
