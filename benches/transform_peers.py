"""How each peer is asked for the same work: its own best plain way, from CSV to CSV, all cells
text, with two threads where that can be set.

Each script gets the paths of the input and of the output. `users.csv` is beside the input.
"""

import pathlib
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = ROOT / "target/peers/bin/python"
# The program itself: what is in `bin` is a Python script that starts it.
DUCKDB_PROGRAM = next(ROOT.glob("target/peers/lib/python3*/site-packages/duckdb_cli/duckdb"), ROOT / "target/peers/duckdb")

DUCKDB = """
import duckdb, sys
source, target = sys.argv[1:]
db = duckdb.connect(config={'threads': 2})
db.execute("set timezone = 'UTC'")
db.execute('set enable_progress_bar = false')
def read(path):
    return f'''read_csv('{path}', all_varchar=true, header=true, delim=',', quote='"')'''
"""
DUCKDB_W1 = DUCKDB + """
db.execute(f'''copy (
  select "Employee Number" as employee_id, "First Name", "Last Name", sha256("Email") as email,
    "Course Code" as course, "Course Title", "Course Enrollment Status" as status, "Enrollment Date",
    strftime(timezone('America/New_York', timezone('UTC', cast("Completion Date" as timestamp))),
             '%m/%d/%Y %H:%M:%S') as done, "Score", "Branch"
  from {read(source)} where "Course Enrollment Status" <> 'Not Started'
) to '{target}' (header, delimiter ',')''')
"""
# The latest row by an aggregate, which takes DuckDB less than a window.
DUCKDB_W2 = DUCKDB + """
db.execute(f'''copy (
  select distinct on (employee_id, course) * from (
    select "Employee Number" as employee_id, "First Name", "Last Name", sha256("Email") as email,
      "Course Code" as course, "Course Title", "Course Enrollment Status" as status, "Enrollment Date",
      strftime(timezone('America/New_York', timezone('UTC', cast("Completion Date" as timestamp))),
               '%Y-%m-%d %H:%M:%S') as done, "Score", "Branch"
    from {read(source)} where "Course Enrollment Status" <> 'Not Started')
  order by employee_id, course, done desc
) to '{target}' (header, delimiter ',')''')
"""
DUCKDB_W3 = DUCKDB + """
db.execute(f'''copy (
  select "Unit", count(*) as enrolled, count(*) filter (where "Course Enrollment Status" = 'Completed') as completed,
    sum(cast("Score" as bigint)) as score, max("Completion Date") as last
  from {read(source)} join {read(source.replace('in.csv', 'users.csv'))} on "Employee Number" = "Number"
  group by "Unit" order by "Unit"
) to '{target}' (header, delimiter ',')''')
"""

POLARS = """
import os, sys
os.environ['POLARS_MAX_THREADS'] = '2'
import polars as pl
source, target = sys.argv[1:]
def read(path):
    return pl.scan_csv(path, infer_schema=False)
"""
POLARS_ROWS = POLARS + """
import polars_hash
names = {'Employee Number': 'employee_id', 'Course Code': 'course', 'Course Enrollment Status': 'status',
         'Completion Date': 'done', 'Email': 'email'}
def rows(time_format):
    done = (pl.col('done').str.to_datetime('%Y-%m-%d %H:%M:%S').dt.replace_time_zone('UTC')
            .dt.convert_time_zone('America/New_York').dt.strftime(time_format))
    digest = polars_hash.col('email').chash.sha2_256()
    return read(source).rename(names).filter(pl.col('status') != 'Not Started').with_columns(done, digest)
"""
POLARS_W1 = POLARS_ROWS + """
rows('%m/%d/%Y %H:%M:%S').sink_csv(target)
"""
# One sort for both, which takes Polars less than a group of each user and course and then a sort.
POLARS_W2 = POLARS_ROWS + """
by = ['employee_id', 'course']
rows('%Y-%m-%d %H:%M:%S').sort(*by, 'done').unique(by, keep='last', maintain_order=True).sink_csv(target)
"""
POLARS_W3 = POLARS + """
users = read(source.replace('in.csv', 'users.csv')).select('Number', 'Unit')
(read(source).join(users, left_on='Employee Number', right_on='Number', how='inner').group_by('Unit')
 .agg(enrolled=pl.len(), completed=(pl.col('Course Enrollment Status') == 'Completed').sum(),
      score=pl.col('Score').cast(pl.Int64).sum(), last=pl.col('Completion Date').max())
 .sort('Unit').sink_csv(target))
"""

PANDAS = """
import sys
import pandas as pd
source, target = sys.argv[1:]
def read(path, **options):
    return pd.read_csv(path, dtype=str, keep_default_na=False, **options)
def write(frame):
    frame.to_csv(target, index=False, lineterminator='\\n')
"""
PANDAS_ROWS = PANDAS + """
import hashlib
names = {'Employee Number': 'employee_id', 'Course Code': 'course', 'Course Enrollment Status': 'status',
         'Completion Date': 'done', 'Email': 'email'}
def rows(time_format):
    frame = read(source).rename(columns=names)
    frame = frame[frame['status'] != 'Not Started'].copy()
    frame['done'] = (pd.to_datetime(frame['done'], format='%Y-%m-%d %H:%M:%S', utc=True)
                     .dt.tz_convert('America/New_York').dt.strftime(time_format))
    frame['email'] = [hashlib.sha256(text.encode()).hexdigest() for text in frame['email']]
    return frame
"""
PANDAS_W1 = PANDAS_ROWS + """
write(rows('%m/%d/%Y %H:%M:%S'))
"""
PANDAS_W2 = PANDAS_ROWS + """
by = ['employee_id', 'course']
write(rows('%Y-%m-%d %H:%M:%S').sort_values('done', kind='stable').drop_duplicates(by, keep='last').sort_values(by))
"""
PANDAS_W3 = PANDAS + """
users = read(source.replace('in.csv', 'users.csv'), usecols=['Number', 'Unit'])
used = ['Employee Number', 'Course Enrollment Status', 'Score', 'Completion Date']
joined = read(source, usecols=used).merge(users, left_on='Employee Number', right_on='Number')
joined['completed'] = joined['Course Enrollment Status'] == 'Completed'
joined['Score'] = joined['Score'].astype('int64')
write(joined.groupby('Unit', sort=True)
      .agg(enrolled=('Unit', 'size'), completed=('completed', 'sum'), score=('Score', 'sum'),
           last=('Completion Date', 'max'))
      .reset_index())
"""

MILLER = ["mlr", "-S", "--icsvlite", "--ocsvlite"]


def miller_rows(time_format):
    return [*MILLER, "rename", "Employee Number,employee_id,Course Code,course,Course Enrollment Status,status,"
            "Completion Date,done,Email,email", "then", "filter", '$status != "Not Started"', "then", "put",
            f'$done = strftime_local(strptime($done, "%Y-%m-%d %H:%M:%S"), "{time_format}", "America/New_York");'
            "$email = sha256($email)"]


MILLER_W1 = miller_rows("%m/%d/%Y %H:%M:%S")
MILLER_W2 = [*miller_rows("%Y-%m-%d %H:%M:%S"), "then", "sort", "-r", "done", "then", "head", "-n", "1", "-g",
             "employee_id,course", "then", "sort", "-f", "employee_id", "-f", "course"]
# Without -S: it adds numbers up. Keys and dates are compared as the texts that they are.
MILLER_W3 = ["mlr", "--icsvlite", "--ocsvlite", "cut", "-f",
             "Employee Number,Course Enrollment Status,Score,Completion Date", "then",
             "join", "-f", "USERS", "-j", "Employee Number", "-l", "Number", "-r", "Employee Number", "then",
             "put", '$completed = ${Course Enrollment Status} == "Completed" ? 1 : 0', "then",
             "stats1", "-a", "count,sum,max", "-f", "completed,Score,Completion Date", "-g", "Unit", "then",
             "cut", "-o", "-f", "Unit,completed_count,completed_sum,Score_sum,Completion Date_max", "then",
             "rename", "completed_count,enrolled,completed_sum,completed,Score_sum,score,Completion Date_max,last", "then",
             "sort", "-f", "Unit"]


@dataclass
class Peer:
    """A program that does the same work by `scripts`, one for each workload."""
    name: str
    version: str
    scripts: dict

    def command(self, workload, source, target):
        """Returns the command, and the file that its standard output is, if the output comes out there."""
        script = self.scripts[workload]
        if self.name == "Miller":
            users = source.with_name("users.csv")
            return [*(users if part == "USERS" else part for part in script), source], target
        return [PYTHON, "-c", script, source, target], None

    def start_up(self, workload):
        """Returns the command that only starts it: of Python, with what the script imports."""
        if self.name == "Miller":
            return ["mlr", "-n", "cat"]
        imports = [line for line in self.scripts[workload].splitlines() if line.startswith("import ")]
        return [PYTHON, "-c", "\n".join(imports)]


def peers(names):
    """Returns the peers of these names. One that is not installed is an error."""
    return [Peer(name, version(name), SCRIPTS[name]) for name in names]


def version(name):
    if name == "Miller":
        return said("mlr", "--version").removeprefix("mlr ")
    return said(PYTHON, "-c", f"import {name.lower()} as peer; print(peer.__version__)")


SCRIPTS = {
    "DuckDB": {"W1": DUCKDB_W1, "W2": DUCKDB_W2, "W3": DUCKDB_W3},
    "Polars": {"W1": POLARS_W1, "W2": POLARS_W2, "W3": POLARS_W3},
    "pandas": {"W1": PANDAS_W1, "W2": PANDAS_W2, "W3": PANDAS_W3},
    "Miller": {"W1": MILLER_W1, "W2": MILLER_W2, "W3": MILLER_W3},
}


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}\nrun benches/tools first")
