#!/usr/bin/env python3
"""Transforms beside their peers, in turn: the same bytes, in one run.

    target/tools/bin/python benches/transform.py [ROUNDS [ROWS [--no-peer] [--only W1|W2|W3]]]

W1 filters, renames, moves to another zone and hashes rows, with and without expectations. W2 does the same, keeps the latest
row of each user and course, and sorts. W3 joins them with a file of users and adds them up by branch. 1 million rows and five rounds by default. Prints the medians of wall time, CPU time
and peak memory, and their ratios (below 1: ours is less). The outputs are compared byte by byte. DuckDB has two threads;
Polars and pandas take part in W2 where they are installed in target/tools.
"""
import filecmp
import importlib.util
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import built

ROWS = int(sys.argv[2].replace("_", "")) if len(sys.argv) > 2 else 1_000_000
ONLY = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
SETTINGS = "destinations: {out: {local: {path: out}}}\n"
PIPELINE = """
source: {file: {path: in.csv}}
transform:
  - rename: {employee_id: Employee Number, course: Course Code, status: Course Enrollment Status, done: Completion Date,
      email: Email}
  - filter: status <> 'Not Started'
  - set:
      done: format_time(done, '%m/%d/%Y %H:%M:%S', 'America/New_York')
      email: sha256(email)
artifact: {name: out.csv}
deliver: {out: {}}
"""
EXPECT = """
expect:
  not_null: [employee_id, course, done]
  unique: [employee_id, course]
  values: {status: [Completed, In Progress]}
  range: {Score: {min: 0, max: 100}}
  match: {employee_id: '^[0-9]{8}$'}
"""
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


LATEST = """
source: {file: {path: latest.csv}}
transform:
  - rename: {employee_id: Employee Number, course: Course Code, status: Course Enrollment Status, done: Completion Date,
      email: Email}
  - filter: status <> 'Not Started'
  - set:
      done: format_time(done, '%Y-%m-%d %H:%M:%S', 'America/New_York')
      email: sha256(email)
  - dedupe: {by: [employee_id, course], keep: last, order: [done]}
  - sort: [employee_id, course]
artifact: {name: out.csv}
deliver: {out: {}}
"""
# The latest row by an aggregate, which takes DuckDB less than a window.
LATEST_DUCKDB = """
import duckdb, sys
db = duckdb.connect(config={'threads': 2})
db.execute("set timezone = 'UTC'")
db.execute('set enable_progress_bar = false')
db.execute(f'''copy (
  select distinct on (employee_id, course) * from (
    select "Employee Number" as employee_id, "First Name", "Last Name", sha256("Email") as email,
      "Course Code" as course, "Course Title", "Course Enrollment Status" as status, "Enrollment Date",
      strftime(timezone('America/New_York', timezone('UTC', cast("Completion Date" as timestamp))),
               '%Y-%m-%d %H:%M:%S') as done, "Score", "Branch"
    from read_csv('{sys.argv[1]}', all_varchar=true, header=true, delim=',', quote='"')
    where "Course Enrollment Status" <> 'Not Started')
  order by employee_id, course, done desc
) to '{sys.argv[2]}' (header, delimiter ',')''')
"""
LATEST_POLARS = """
import hashlib, os, sys
os.environ['POLARS_MAX_THREADS'] = '2'
import polars as pl
done = (pl.col('done').str.to_datetime('%Y-%m-%d %H:%M:%S').dt.replace_time_zone('UTC')
        .dt.convert_time_zone('America/New_York').dt.strftime('%Y-%m-%d %H:%M:%S'))
digest = pl.col('email').map_elements(lambda text: hashlib.sha256(text.encode()).hexdigest(), return_dtype=pl.String)
names = {'Employee Number': 'employee_id', 'Course Code': 'course', 'Course Enrollment Status': 'status',
         'Completion Date': 'done', 'Email': 'email'}
(pl.read_csv(sys.argv[1], infer_schema=False).rename(names).filter(pl.col('status') != 'Not Started')
 .with_columns(done, digest).sort('done').unique(['employee_id', 'course'], keep='last').sort('employee_id', 'course')
 .write_csv(sys.argv[2]))
"""
LATEST_PANDAS = """
import hashlib, sys
import pandas as pd
names = {'Employee Number': 'employee_id', 'Course Code': 'course', 'Course Enrollment Status': 'status',
         'Completion Date': 'done', 'Email': 'email'}
rows = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False).rename(columns=names)
rows = rows[rows['status'] != 'Not Started'].copy()
rows['done'] = (pd.to_datetime(rows['done'], format='%Y-%m-%d %H:%M:%S', utc=True)
                .dt.tz_convert('America/New_York').dt.strftime('%Y-%m-%d %H:%M:%S'))
rows['email'] = [hashlib.sha256(text.encode()).hexdigest() for text in rows['email']]
rows = rows.sort_values('done', kind='stable').drop_duplicates(['employee_id', 'course'], keep='last')
rows.sort_values(['employee_id', 'course']).to_csv(sys.argv[2], index=False, lineterminator='\\n')
"""

# W3: a join with a file of users, of which a few are missing, and an aggregate by their branch.
USERS = 50_000
JOIN = """
source: {file: {path: enrollments.csv}}
transform:
  - join: {with: {file: users.csv}, match: {Employee Number: Number}, kind: inner, columns: [Unit]}
  - aggregate:
      by: [Unit]
      columns:
        enrolled: count(*)
        completed: count(*) filter (where "Course Enrollment Status" = 'Completed')
        score: sum("Score")
        last: max("Completion Date")
  - sort: [Unit]
artifact: {name: out.csv}
deliver: {out: {}}
"""
JOIN_DUCKDB = """
import duckdb, sys
db = duckdb.connect(config={'threads': 2})
db.execute('set enable_progress_bar = false')
read = '''read_csv('{}', all_varchar=true, header=true, delim=',', quote='"')'''
db.execute(f'''copy (
  select "Unit", count(*) as enrolled, count(*) filter (where "Course Enrollment Status" = 'Completed') as completed,
    sum(cast("Score" as bigint)) as score, max("Completion Date") as last
  from {read.format(sys.argv[1])} join {read.format(sys.argv[1].replace('enrollments', 'users'))} on "Employee Number" = "Number"
  group by "Unit" order by "Unit"
) to '{sys.argv[2]}' (header, delimiter ',')''')
"""


def generate(path, workload="W1"):
    """Writes the rows: of W2 in no order, about two of each user and course; of W3 with a file of users."""
    chance = random.Random(7)
    statuses = ["Completed", "In Progress", "Not Started", "Completed", "Completed"]
    with open(path, "w", newline="") as file:
        file.write("Employee Number,First Name,Last Name,Email,Course Code,Course Title,Course Enrollment Status,"
                   "Enrollment Date,Completion Date,Score,Branch\n")
        for row in range(ROWS):
            day, second = chance.randrange(1, 29), chance.randrange(86_400)
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            month, year = chance.randrange(1, 13), chance.randrange(2022, 2027)
            user, course = (chance.randrange(ROWS // 8 + 1), chance.randrange(4)) if workload == "W2" else (row, row % 500)
            user = user % (USERS + 1_000) if workload == "W3" else user
            file.write(f"{user:08},First{user % 977},Lastname{user % 7919},person.{user}@example.com,"
                       f"C-{course:05},Compliance Training Module {course},{statuses[row % 5]},"
                       f"{year}-{month:02}-01 08:00:00,{year}-{month:02}-{day:02} {clock},{row % 101},"
                       f"Region {row % 12} / Site {row % 144}\n")
    if workload == "W3":
        with open(path.replace("enrollments", "users"), "w", newline="") as file:
            file.write("Number,Name,Manager,Unit\n")
            for number in range(USERS):
                file.write(f"{number:08},Name {number},{number // 10:08},Region {number % 12} / Site {number % 144}\n")


def measure(command):
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def workloads():
    """Returns each workload: its input, our pipelines, and the peers' scripts."""
    found = {
        "W1": ("in.csv", {"ours": PIPELINE, "with expectations": PIPELINE + EXPECT}, {"DuckDB": DUCKDB}),
        "W2": ("latest.csv", {"ours": LATEST}, {"DuckDB": LATEST_DUCKDB, "Polars": LATEST_POLARS, "pandas": LATEST_PANDAS}),
        "W3": ("enrollments.csv", {"ours": JOIN}, {"DuckDB": JOIN_DUCKDB}),
    }
    if ONLY:
        found = {ONLY: found[ONLY]}
    for _, _, peers in found.values():
        for name in list(peers):
            if "--no-peer" in sys.argv:
                del peers[name]
            elif importlib.util.find_spec(name.lower()) is None:
                print(f"{name} is left out: it is not installed in target/tools")
                del peers[name]
    return found


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    program = built.bench("transform") if "--program" not in sys.argv else sys.argv[sys.argv.index("--program") + 1]
    with tempfile.TemporaryDirectory() as folder:
        for name, workload in workloads().items():
            run(name, workload, program, folder, rounds)


def run(workload, parts, program, folder, rounds):
    file, pipelines, peers = parts
    settings, source, ours, theirs = (
        os.path.join(folder, name) for name in ("reportferry.yaml", file, "ours.csv", "theirs.csv"))
    pathlib.Path(settings).write_text(SETTINGS)
    generate(source, workload)
    print(f"{workload}: {ROWS:,} rows, {os.path.getsize(source) / 1e6:.0f} MB, {rounds} rounds, in turn")
    commands = {}
    for name, text in pipelines.items():
        pipeline = os.path.join(folder, f"{name.replace(' ', '_')}.yaml")
        commands[name] = [program, settings, pipeline, ours]
        pathlib.Path(pipeline).write_text(text)
    commands |= {name: [sys.executable, "-c", script, source, theirs] for name, script in peers.items()}
    measured = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            measured[name].append(measure(command))
            if name in peers and not filecmp.cmp(ours, theirs, shallow=False):
                sys.exit(f"{workload}: the outputs of ours and {name} differ")
    medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in measured.items()}
    for name, (wall, cpu, memory) in medians.items():
        print(f"{name:17} wall {wall:6.3f} s   CPU {cpu:6.3f} s   peak {memory:7.1f} MiB")
    if "with expectations" in medians:
        compare("expectations", medians["with expectations"], medians["ours"], "against without")
    for name in peers:
        start_up = measure([sys.executable, "-c", f"import {name.lower()}"])
        wall, cpu, memory = medians[name]
        compare(name, medians["ours"], [wall - start_up[0], cpu - start_up[1], memory], "its start-up taken off")
    os.remove(source)


def compare(name, one, other, note):
    ratios = [a / b for a, b in zip(one, other)]
    print("ratio, {:12} wall {:6.2f}     CPU {:6.2f}     peak {:7.3f}   ({})".format(name, *ratios, note))


if __name__ == "__main__":
    main()
