"""The workloads of `transform.py`: their rows, made from a seed, and our pipelines."""

import random
from dataclasses import dataclass

W1 = """
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
W2 = """
source: {file: {path: in.csv}}
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
W3 = """
source: {file: {path: in.csv}}
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
WITH_EXPECTATIONS = "with expectations"
USERS = 50_000
HEADER = ("Employee Number,First Name,Last Name,Email,Course Code,Course Title,Course Enrollment Status,Enrollment Date,"
          "Completion Date,Score,Branch\n")
STATUSES = ["Completed", "In Progress", "Not Started", "Completed", "Completed"]


@dataclass
class Workload:
    """What is done to the rows, and `keys`: the user and the course of a row."""
    name: str
    title: str
    pipelines: dict
    keys: object
    users: bool = False

    def generate(self, folder, rows):
        """Writes `in.csv`, and `users.csv` if the workload has users. Returns the path of the first."""
        chance = random.Random(7)
        with open(folder / "in.csv", "w", newline="") as file:
            file.write(HEADER)
            for row in range(rows):
                day, second = chance.randrange(1, 29), chance.randrange(86_400)
                clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
                month, year = chance.randrange(1, 13), chance.randrange(2022, 2027)
                user, course = self.keys(chance, row, rows)
                file.write(f"{user:08},First{user % 977},Lastname{user % 7919},person.{user}@example.com,"
                           f"C-{course:05},Compliance Training Module {course},{STATUSES[row % 5]},"
                           f"{year}-{month:02}-01 08:00:00,{year}-{month:02}-{day:02} {clock},{row % 101},"
                           f"Region {row % 12} / Site {row % 144}\n")
        if self.users:
            with open(folder / "users.csv", "w", newline="") as file:
                file.write("Number,Name,Manager,Unit\n")
                for number in range(USERS):
                    file.write(f"{number:08},Name {number},{number // 10:08},Region {number % 12} / Site {number % 144}\n")
        return folder / "in.csv"


WORKLOADS = [
    Workload("W1", "filter, rename, another zone, SHA-256", {"ours": W1, WITH_EXPECTATIONS: W1 + EXPECT},
             lambda _chance, row, _rows: (row, row % 500)),
    # In no order, about two rows of each user and course.
    Workload("W2", "W1, the latest row of each user and course, sorted", {"ours": W2},
             lambda chance, _row, rows: (chance.randrange(rows // 8 + 1), chance.randrange(4))),
    # A few of the users are missing in the file of users.
    Workload("W3", "joined with 50,000 users, added up by their branch, sorted", {"ours": W3},
             lambda _chance, row, _rows: (row % (USERS + 1_000), row % 500), users=True),
]
