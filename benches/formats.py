#!/usr/bin/env python3
"""A file into each format, by a whole run and by the library that a Python user would take, in turn.

    benches/tools
    target/tools/bin/python benches/formats.py [ROUNDS [ROWS]] [--only FORMATS] [--binary PATH] [--json]

Ours is `reportferry run` into a folder: it reads the CSV, transforms and encodes the rows, hashes the file, keeps it, copies it
to its destination, and records all that in a new ledger. The peer reads the same CSV and writes the file once. Prints medians
of wall time, CPU time and peak memory, and ours divided by the peer's (below 1: ours is less).
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import built
from transform import measure
from transform_workloads import WORKLOADS

MEASURES = ("wall_s", "cpu_s", "peak_mib")
COLUMNS = "[number, email, course, title, status, enrolled, done, score]"
TYPES = "{enrolled: datetime, done: datetime, score: integer}"
PIPELINE = """
source: {file: {path: in.csv}}
transform:
  - rename: {number: Employee Number, email: Email, course: Course Code, title: Course Title,
      status: Course Enrollment Status, enrolled: Enrollment Date, done: Completion Date, score: Score}
  - select: %s
artifact: {name: out.data, %s}
deliver: {out: {}}
"""
TREE = "{number: {expr: number}, email: {expr: email}, done: {expr: done}, score: {expr: cast(score as integer)}}"
FIELDS = ", ".join(f"{{value: {name}, width: {width}}}" for name, width in
                   [("number", 8), ("email", 40), ("course", 10), ("title", 40), ("status", 12), ("done", 19)])
XML = ('{root: rows, tree: {row: {each_row: {"@number": {expr: number}, email: {expr: email}, done: {expr: done}, '
       'score: {expr: score}}}}}')

# What our artifact says, and the peer's body: `rows` yields a row as a list, `path` is the file to write.
FORMATS = {
    "csv": ("csv: {}", "csv.writer", "w = csv.writer(open(path, 'w', newline=''), lineterminator='\\n')\nw.writerows(rows)"),
    "csv_never": ("csv: {delimiter: '|', quote: never, escape: '\\', record_end: \"!##!\\r\\n\"}", "csv.writer",
                  "w = csv.writer(open(path, 'w', newline=''), delimiter='|', quoting=csv.QUOTE_NONE, escapechar='\\\\', "
                  "lineterminator='!##!\\r\\n')\nw.writerows(rows)"),
    "fixed": (f"fixed: {{fields: [{FIELDS}]}}", "str.ljust",
              "f = open(path, 'w')\nfor r in rows: f.write(r[0].ljust(8) + r[1].ljust(40) + r[2].ljust(10) + r[3].ljust(40) + "
              "r[4].ljust(12) + r[6].ljust(19) + '\\n')"),
    "layout": ("layout: {totals: {total: sum(score)}, header: [[\"'H'\", file_name]], trailer: [[\"'T'\", rows, total]]}",
               "csv.writer", "w = csv.writer(open(path, 'w', newline=''), lineterminator='\\n')\nw.writerow(['H', 'out'])\nn = t = 0\n"
               "for r in rows:\n    w.writerow(r); n += 1; t += int(r[7])\nw.writerow(['T', n, t])"),
    "ndjson": (f"ndjson: {{tree: {TREE}}}", "json.dumps",
               "f = open(path, 'w')\nfor r in rows: f.write(json.dumps({'number': r[0], 'email': r[1], 'done': r[6], "
               "'score': int(r[7])}) + '\\n')"),
    "json": (f"json: {{tree: {{each_row: {TREE}}}}}", "json.dumps",
             "f = open(path, 'w'); f.write('[')\nfor i, r in enumerate(rows):\n    if i: f.write(',')\n    f.write(json.dumps({'number': "
             "r[0], 'email': r[1], 'done': r[6], 'score': int(r[7])}))\nf.write(']')"),
    "xml": (f"xml: {XML}", "lxml xmlfile",
            "with etree.xmlfile(path, encoding='utf-8') as f:\n    with f.element('rows'):\n        for r in rows:\n"
            "            e = etree.Element('row', number=r[0])\n            for n, i in (('email', 1), ('done', 6), ('score', 7)): "
            "etree.SubElement(e, n).text = r[i]\n            f.write(e)"),
    "parquet": (f"types: {TYPES}, parquet: {{}}", "pyarrow",
                "import pyarrow.csv as c, pyarrow.parquet as p, pyarrow as a\nnames = ['Employee Number', 'Email', 'Course Code', "
                "'Course Title', 'Course Enrollment Status', 'Enrollment Date', 'Completion Date', 'Score']\n"
                "o = c.ConvertOptions(include_columns=names, column_types={'Employee Number': a.string(), 'Enrollment Date': "
                "a.timestamp('us'), 'Completion Date': a.timestamp('us'), 'Score': a.int64()}, timestamp_parsers=['%Y-%m-%d %H:%M:%S'])\n"
                "r = c.open_csv('in.csv', convert_options=o)\nw = p.ParquetWriter(path, r.schema, compression='zstd')\n"
                "for b in r: w.write_batch(b)\nw.close()"),
    "xlsx": (f"types: {TYPES}, xlsx: {{}}", "openpyxl write-only",
             "from datetime import datetime as d\nb = openpyxl.Workbook(write_only=True); s = b.create_sheet()\nfor r in rows: "
             "s.append(r[:5] + [d.fromisoformat(r[5]), d.fromisoformat(r[6]), int(r[7])])\nb.save(path)"),
    "gzip": ("csv: {}, compress: gzip", "gzip 6",
             "w = csv.writer(gzip.open(path, 'wt', 6, newline=''), lineterminator='\\n')\nw.writerows(rows)"),
    "zstd": ("csv: {}, compress: zstd", "zstandard",
             "f = io.TextIOWrapper(zstandard.ZstdCompressor().stream_writer(open(path, 'wb')), newline='')\n"
             "w = csv.writer(f, lineterminator='\\n')\nw.writerows(rows)\nf.close()"),
    "zip": ("csv: {}, compress: zip", "zipfile",
            "z = zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED)\nf = io.TextIOWrapper(z.open('out.csv', 'w'), newline='')\n"
            "w = csv.writer(f, lineterminator='\\n')\nw.writerows(rows)\nf.close(); z.close()"),
}
PEER = """import csv, gzip, io, json, sys, zipfile
{imports}
path = sys.argv[1]
source = csv.reader(open('in.csv', newline=''))
next(source)
rows = ([r[0], r[3], r[4], r[5], r[6], r[7], r[8], r[9]] for r in source)
{body}
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join(FORMATS), help="formats with commas")
    parser.add_argument("--binary", help="reportferry, already built")
    parser.add_argument("--json", action="store_true", help="JSON in place of the table")
    return parser.parse_args()


def ours(binary, folder, artifact):
    (folder / "pipelines" / "out.yaml").write_text(PIPELINE % (COLUMNS, artifact))
    for left in ("data", "out"):
        shutil.rmtree(folder / left, ignore_errors=True)
    return [binary, "--config", "reportferry.yaml", "run", "out", "--slot", "2026-11-27T00:00:00Z"]


def main():
    given = arguments()
    binary = pathlib.Path(given.binary).resolve() if given.binary else built.binary()
    medians = {}
    with tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as name:
        folder = pathlib.Path(name)
        (folder / "pipelines").mkdir()
        (folder / "reportferry.yaml").write_text("destinations: {out: {local: {path: out, mkdir: true}}}\n")
        WORKLOADS[0].generate(folder, given.rows)
        os.chdir(folder)
        for key in given.only.split(","):
            artifact, title, body = FORMATS[key]
            imports = {"xml": "from lxml import etree", "xlsx": "import openpyxl", "zstd": "import zstandard"}.get(key, "")
            (folder / "peer.py").write_text(PEER.format(imports=imports, body=body))
            found = {"ours": [], title: []}
            for _ in range(given.rounds):
                found["ours"].append(measure(ours(binary, folder, artifact), folder))
                found[title].append(measure([sys.executable, "peer.py", "peer.data"], folder))
            of = lambda name: {what: statistics.median(row[index] for row in found[name])
                               for index, what in enumerate(MEASURES)}
            medians[key] = {"peer": title, "ours": of("ours"), "theirs": of(title)}
            if not given.json:
                mine, theirs = medians[key]["ours"], medians[key]["theirs"]
                ratios = "  ".join(f"{what} {mine[what]:8.2f} / {theirs[what]:8.2f} = {mine[what] / theirs[what]:5.2f}"
                                   for what in MEASURES)
                print(f"{key:10} {title:20} {ratios}", flush=True)
    if given.json:
        json.dump({"rows": given.rows, "rounds": given.rounds, "medians": medians}, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
