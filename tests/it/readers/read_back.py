"""Reads the files of ten readers by the rules of each, with other programs than ours, and compares them with the rows that they
were made of: read_back.py FOLDER, with `rows.csv` and the delivered files in `out`."""

import csv
import gzip
import io
import pathlib
import sys
import zipfile

import openpyxl

folder = pathlib.Path(sys.argv[1])
rows = list(csv.DictReader(open(folder / "rows.csv", newline="", encoding="utf-8")))
done = [row for row in rows if row["Course Enrollment Status"] == "Completed"]
ASCII = {"López-Núñez": "Lopez-Nunez", "李": "Li"}


def of(names, among=done):
    """The cells of the rows, in the order of the source."""
    return [[row[name] for name in names] for row in among]


def data(pattern):
    [path] = (folder / "out").rglob(pattern)
    return path.read_bytes()


def text(pattern):
    return data(pattern).decode("utf-8")


def csv_of(content, **dialect):
    return list(csv.reader(io.StringIO(content, newline=""), strict=True, **dialect))


def same(reader, found, expected):
    assert found == expected, f"{reader}:\n{found}\n{expected}"


def day(format_of):
    """The day of a completion, whose cell is 2026-01-05 12:30:00."""
    return lambda row: format_of.format(*row["Completion Date"][:10].split("-"))


# SAP: records end with !##! and a line end; a bar, which nothing escapes, parts the cells.
records = text("learning_history_data_ACME.txt").split("!##!\r\n")
same("SAP", records.pop(), "")
same("SAP", records[0], "STUD_ID|CPNT_TYP_ID|CPNT_ID|INST_NAME|COMPL_DTE|GRADE")
cells = [record.split("|") for record in records[1:]]
same("SAP", [[row[0], row[2], row[5]] for row in cells], of(["Employee Number", "Course Code", "Final Score"]))
assert all(len(row) == 6 and '"' not in row[3] for row in cells), cells

# Oracle HCM: a ZIP with one file; a backslash before bars and backslashes, and no quotes.
archive = zipfile.ZipFile(io.BytesIO(data("LearningRecord*.zip")))
same("Oracle HCM", archive.namelist(), ["LearningRecord.dat"])
lines = csv_of(archive.read("LearningRecord.dat").decode("utf-8"), delimiter="|", quoting=csv.QUOTE_NONE, escapechar="\\")
same("Oracle HCM", lines[0][:2], ["METADATA", "LearningRecord"])
named = [dict(zip(lines[0], line)) for line in lines[1:]]
same("Oracle HCM", [[row["METADATA"], row["LearnerNumber"], row["LearningRecordComments"], row["LearningRecordCompletionDate"]]
                    for row in named],
     [["MERGE", row["Employee Number"], row["Course Name"], day("{0}/{1}/{2}")(row)] for row in done])

# Cornerstone: every enrollment, with its own words for the status.
found = csv_of(text("acme_external_training_*.csv"))
words = {"Completed": "Completed", "In Progress": "Registered"}
same("Cornerstone", [row[:3] for row in found[1:]],
     [[row["Employee Number"], row["Course Name"], words[row["Course Enrollment Status"]]] for row in rows])

# Degreed.
found = csv_of(text("Acme_Completions_File_*.csv"))
same("Degreed", found[0][:3], ["UserID", "CourseID", "CompletionDate"])
same("Degreed", sorted(row[:3] for row in found[1:]),
     sorted([row["Employee Number"], row["Course Code"], day("{0}{1}{2}")(row)] for row in done))

# UK LRS: CRLF, and a second record about the file.
name = next((folder / "out").rglob("LRB_*.CSV")).name
content = text("LRB_*.CSV")
same("UK LRS", content.count("\n"), content.count("\r\n"))
found = csv_of(content)
same("UK LRS", found[1], ["1.0", name, "10001234"])
same("UK LRS", [row[:3] for row in found[2:]], of(["Employee Number", "First Name", "Last Name"]))

# MCLE: attendance under the header of its course; the last line has the totals.
found = csv_of(text("MCLE_*.txt"), delimiter="|", quoting=csv.QUOTE_NONE, escapechar="\\")
course, attended = None, []
for record in found[2:-1]:
    if record[0] == "C":
        course = record
    else:
        attended.append([course[1], course[2], record[1], record[2]])
same("MCLE", attended, sorted(of(["Course Code", "Course Name", "Employee Number", "Last Name"]),
                              key=lambda row: (row[0], row[2])))
same("MCLE", found[-1][1:3], [str(len(done)), str(len({row["Course Code"] for row in done}))])

# CE Broker: 100 characters of ASCII in each record.
records = data("cebroker_*.txt").decode("ascii").split("\r\n")
same("CE Broker", records.pop(), "")
assert all(len(record) == 100 for record in records), records
people = [[record[1:11].rstrip(), record[11:51].rstrip()] for record in records if record[0] == "3"]
same("CE Broker", sorted(people), sorted([row["Employee Number"], ASCII.get(row["Last Name"], row["Last Name"])] for row in done))
same("CE Broker", records[-1].rstrip(), f"6{len(done):06}")

# CE Broker's roster: text stays text, and hours are numbers.
sheet = openpyxl.load_workbook(io.BytesIO(data("roster_*.xlsx")))["Roster"]
values = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
same("roster", [[row[0], row[2], row[3], row[5]] for row in values],
     [[row["Employee Number"], row["Last Name"], row["Course Code"], float(row["Credits"])] for row in done])
assert all(cell.data_type == "s" for row in sheet.iter_rows(min_row=2, max_col=1) for cell in row)

# UKG.
found = csv_of(text("ukg/completions_*.csv"))
same("UKG", found[1:], [[row["Employee Number"], row["Course Code"], day("{0}-{1}-{2}")(row)] for row in done])

# Oracle Retail: the ZIP is complete once the other file is there.
[path] = (folder / "out").rglob("COMPLETIONS_*.zip")
assert path.with_name(path.name + ".complete").exists()
archive = zipfile.ZipFile(path)
found = csv_of(archive.read(archive.namelist()[0]).decode("utf-8"), delimiter="|")
same("Oracle Retail", [row[:3] for row in found[1:]], of(["Employee Number", "Course Code", "Course Name"]))

# Snowflake.
found = csv_of(gzip.decompress(data("enrollments_*.csv.gz")).decode("utf-8"))
same("Snowflake", [row[:4] for row in found[1:]],
     of(["Employee Number", "Course Code", "Course Name", "Course Enrollment Status"], rows))
print("all files are as their readers read them")
