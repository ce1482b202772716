#!/usr/bin/env python3
"""Filter, rename, move to another zone and hash rows: ours, ours with expectations, and DuckDB, in turn. Then a join and
an aggregate.

    target/tools/bin/python benches/transform.py [ROUNDS [ROWS [--no-peer]]]

1 million rows and five rounds by default. Prints the medians of wall time, CPU time and peak memory, and their ratios
(below 1: ours is less). The outputs are compared byte by byte.
"""
import filecmp
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


# W3: a join with a file of users, and an aggregate by branch.
JOIN = {
    "users": 50_000,
    "pipeline": """
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
""",
    "duckdb": """
import duckdb, sys
db = duckdb.connect(config={'threads': 2})
db.execute('set enable_progress_bar = false')
read = "read_csv('{}', all_varchar=true, header=true, delim=',', quote='\"')"
db.execute(f'''copy (
  select "Unit", count(*) as enrolled, count(*) filter (where "Course Enrollment Status" = 'Completed') as completed,
    sum(cast("Score" as bigint)) as score, max("Completion Date") as last
  from {read.format(sys.argv[1])} join {read.format(sys.argv[3])} on "Employee Number" = "Number"
  group by "Unit" order by "Unit"
) to '{sys.argv[2]}' (header, delimiter ',')''')
""",
}


def generate(path, people=ROWS):
    chance = random.Random(7)
    statuses = ["Completed", "In Progress", "Not Started", "Completed", "Completed"]
    with open(path, "w", newline="") as file:
        file.write("Employee Number,First Name,Last Name,Email,Course Code,Course Title,Course Enrollment Status,"
                   "Enrollment Date,Completion Date,Score,Branch\n")
        for row in range(ROWS):
            day, second = chance.randrange(1, 29), chance.randrange(86_400)
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            month, year = chance.randrange(1, 13), chance.randrange(2022, 2027)
            file.write(f"{row % people:08},First{row % 977},Lastname{row % 7919},person.{row}@example.com,"
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
        settings, source, ours, theirs = (
            os.path.join(folder, name) for name in ("reportferry.yaml", "in.csv", "ours.csv", "theirs.csv"))
        generate(source)
        print(f"{ROWS:,} rows, {os.path.getsize(source) / 1e6:.0f} MB, {rounds} rounds, in turn")
        commands = {}
        for name, file, text in (("ours", "plain", PIPELINE), ("with expectations", "expecting", PIPELINE + EXPECT)):
            pipeline = os.path.join(folder, f"{file}.yaml")
            commands[name] = [program, settings, pipeline, ours]
            pathlib.Path(pipeline).write_text(text)
        pathlib.Path(settings).write_text(SETTINGS)
        if "--no-peer" not in sys.argv:
            commands["DuckDB"] = [sys.executable, "-c", DUCKDB, source, theirs]
        measured = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                measured[name].append(measure(command))
                if name == "DuckDB" and not filecmp.cmp(ours, theirs, shallow=False):
                    sys.exit("the outputs differ")
        medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in measured.items()}
        for name, (wall, cpu, memory) in medians.items():
            print(f"{name:17} wall {wall:6.3f} s   CPU {cpu:6.3f} s   peak {memory:7.1f} MiB")
        compare("expectations", medians["with expectations"], medians["ours"], "against without")
        if "DuckDB" in medians:
            baseline = measure([sys.executable, "-c", "import duckdb; duckdb.connect()"])
            wall, cpu, memory = medians["DuckDB"]
            compare("DuckDB", medians["ours"], [wall - baseline[0], cpu - baseline[1], memory], "its start-up taken off")
        measure_join(folder, program, settings, rounds)


def measure_join(folder, program, settings, rounds):
    source, users, ours, theirs = (
        os.path.join(folder, name) for name in ("enrollments.csv", "users.csv", "ours.csv", "theirs.csv"))
    generate(source, JOIN["users"] + 1_000)
    with open(users, "w", newline="") as file:
        file.write("Number,Name,Manager,Unit\n")
        for number in range(JOIN["users"]):
            file.write(f"{number:08},Name {number},{number // 10:08},Region {number % 12} / Site {number % 144}\n")
    pipeline = os.path.join(folder, "join.yaml")
    pathlib.Path(pipeline).write_text(JOIN["pipeline"])
    commands = {"join": [program, settings, pipeline, ours]}
    if "--no-peer" not in sys.argv:
        commands["DuckDB"] = [sys.executable, "-c", JOIN["duckdb"], source, theirs, users]
    measured = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            measured[name].append(measure(command))
            if name == "DuckDB" and not filecmp.cmp(ours, theirs, shallow=False):
                sys.exit("the outputs of the join differ")
    medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in measured.items()}
    for name, (wall, cpu, memory) in medians.items():
        print(f"join: {name:11} wall {wall:6.3f} s   CPU {cpu:6.3f} s   peak {memory:7.1f} MiB")
    if "DuckDB" in medians:
        baseline = measure([sys.executable, "-c", "import duckdb; duckdb.connect()"])
        wall, cpu, memory = medians["DuckDB"]
        compare("join", medians["join"], [wall - baseline[0], cpu - baseline[1], memory], "DuckDB's start-up taken off")


def compare(name, one, other, note):
    ratios = [a / b for a, b in zip(one, other)]
    print("ratio, {:12} wall {:6.2f}     CPU {:6.2f}     peak {:7.3f}   ({})".format(name, *ratios, note))


main()
