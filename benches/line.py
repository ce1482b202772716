#!/usr/bin/env python3
"""The whole line beside what a person would script: reportferry against curl + DuckDB + OpenSSH sftp.

    tests/tools && target/tools/bin/python benches/line.py [ROWS]

Both get the same report from the same server (a small one of this file's, not the sandbox), filter, rename, re-zone and
hash it, and put it into the same private OpenSSH drop under a temporary name, then rename. The two take turns; the
bytes that arrive must be the same. Printed: wall and CPU seconds and peak memory of each (the median), and the ratios.
"""

import hashlib, http.server, io, json, os, random, resource, shutil, socket, socketserver, statistics, subprocess, sys, tempfile
import threading, time, zipfile

import built

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
TURNS = 5
BINARY = built.binary()
REPORT = "619bf79c-970a-4a8e-be8a-dde48a05c652"
EXECUTION = "b4c1f1f0-0000-4000-8000-000000000001"


def make_csv(path):
    rng = random.Random(7)
    first = ["Ana", "Bjørn", "Chloé", "Δημήτρης", "Ewa", "Фёдор", "Grace", "秀英"]
    last = ["O'Neil", "García", "Müller", "Ng", "Иванова", "Smith, Jr.", "van Dyk"]
    course = ["Safety, Level 1", 'The "Basics"', "Anti-Bribery", "Data Protection"]
    status = ["Completed"] * 6 + ["In Progress"] * 3 + ["Enrolled"]
    quote = lambda cell: '"%s"' % cell.replace('"', '""') if any(c in cell for c in ',"\n\r') else cell
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write("Employee Number,Username,First Name,Last Name,Email,Course Code,Course title,"
                  "Course Enrollment Status,Completion Date,Final Score,Session Time (min)\r\n")
        for i in range(ROWS):
            s = rng.choice(status)
            done = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_700_000_000 + rng.randrange(60_000_000))) if s == "Completed" else ""
            c = rng.randrange(4)
            cells = [f"{i:08d}", f"user{i}", rng.choice(first), rng.choice(last), f"user{i}@example.com", f"C-{c:04d}",
                     course[c], s, done, str(rng.randrange(101)) if s == "Completed" else "", str(rng.randrange(600))]
            out.write(",".join(map(quote, cells)) + "\r\n")


class Docebo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive = b""

    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def say(self, value):
        self.answer(json.dumps(value).encode())

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.say({"access_token": "a" * 40, "expires_in": 3600, "token_type": "Bearer", "scope": "api"})

    def do_GET(self):
        path = self.path
        if path == "/manage/v1/user/session":
            self.say({"data": {"id": 1, "username": "svc", "user_level": "power_user"}})
        elif path.endswith("/export/csv"):
            self.say({"data": {"executionId": EXECUTION}})
        elif path.endswith("/download"):
            self.answer(self.archive, "application/zip")
        else:
            self.say({"data": {"status": "SUCCEEDED"}})


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def start_sshd(folder):
    for key in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{key}"], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with open(f"{folder}/sshd_config", "w") as config:
        config.write(f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\n"
                     "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n")
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", f"{folder}/sshd_config"], stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port
        except OSError:
            time.sleep(0.05)
    sys.exit("sshd does not answer")


def timed(command, **options):
    """Wall and CPU seconds, and the peak resident set of the largest process in KiB, of one command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(["/usr/bin/env", "python3", "-c", WRAP, *command], capture_output=True, text=True, **options)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    inner = json.loads(done.stderr.strip().splitlines()[-1])
    return inner["wall"], inner["cpu"], inner["rss"]


# Runs a command as its only child, so that the figures are that command's (and its children's) alone.
WRAP = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": time.perf_counter() - start, "cpu": use.ru_utime + use.ru_stime, "rss": use.ru_maxrss}), file=sys.stderr)
sys.exit(code)
"""

SCRIPT = r"""
set -eu
token=$(curl -sf "$BASE/oauth2/token" -d client_id=c -d client_secret=s -d grant_type=password -d scope=api -d username=u -d password=p | sed 's/.*"access_token": "\([^"]*\)".*/\1/')
auth="Authorization: Bearer $token"
curl -sf -H "$auth" "$BASE/analytics/v1/reports/$REPORT/export/csv" > /dev/null
curl -sf -H "$auth" "$BASE/analytics/v1/reports/$REPORT/exports/$EXECUTION" > /dev/null
curl -sf -H "$auth" "$BASE/analytics/v1/reports/$REPORT/exports/$EXECUTION/download" -o report.zip
unzip -p report.zip report.csv > report.csv
"$PYTHON" query.py
printf 'put out.csv %s/.out.csv.part\nrename %s/.out.csv.part %s/peer.csv\n' "$DROP" "$DROP" "$DROP" > batch
rm -f "$DROP/peer.csv"
sftp -q -b batch -P "$PORT" -i "$KEYS/client" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR 127.0.0.1 > /dev/null
"""

QUERY = """
import duckdb
duckdb.execute("SET TimeZone='UTC'; SET threads=2")
duckdb.execute('''
COPY (
  SELECT "Employee Number" AS employee_id, "Course Code" AS course,
         strftime(("Completion Date"::TIMESTAMP AT TIME ZONE 'UTC') AT TIME ZONE 'America/New_York', '%m/%d/%Y %H:%M') AS done,
         sha256("Email") AS email, "Last Name" AS last_name, "Course title" AS title
  FROM read_csv('report.csv', all_varchar=true, header=true)
  WHERE "Course Enrollment Status" = 'Completed' AND "Completion Date" >= '2023-12-01'
) TO 'out.csv' (HEADER, DELIMITER ',')
''')
"""

PIPELINE = f"""
source: {{docebo: {{tenant: acme, report: {REPORT}}}}}
transform:
  - filter: "\\"Course Enrollment Status\\" = 'Completed' and \\"Completion Date\\" >= '2023-12-01'"
  - rename: {{employee_id: Employee Number, course: Course Code, done: Completion Date, email: Email, last_name: Last Name, title: Course title}}
  - set:
      done: format_time(done, '%m/%d/%Y %H:%M', 'America/New_York')
      email: sha256(email)
  - select: [employee_id, course, done, email, last_name, title]
artifact: {{name: ours.csv}}
deliver:
  drop: {{path: /, existing: replace}}
"""


def main():
    folder = tempfile.mkdtemp(prefix="line-")
    csv = f"{folder}/report.csv"
    make_csv(csv)
    with zipfile.ZipFile(f"{folder}/served.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(csv, "report.csv")
    Docebo.archive = open(f"{folder}/served.zip", "rb").read()
    print(f"{ROWS:,} rows, {os.path.getsize(csv) / 1e6:.0f} MB of CSV, {len(Docebo.archive) / 1e6:.0f} MB as ZIP")
    os.remove(csv)
    web = Server(("127.0.0.1", 0), Docebo)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{web.server_port}"
    sshd, port = start_sshd(folder)
    drop = f"{folder}/drop"
    os.makedirs(drop)
    os.makedirs(f"{folder}/ours/pipelines")
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    pin = subprocess.check_output(["ssh-keygen", "-l", "-f", f"{folder}/host.pub"], text=True).split()[1]
    with open(f"{folder}/ours/reportferry.yaml", "w") as settings:
        settings.write(f"""
tenants:
  acme: {{docebo: "{base}", client_id: c, client_secret: s, username: u, password: p, poll: {{initial: 1ms, max: 1s, give_up_after: 1m}},
         budget: {{per_minute: 10000, per_hour: 100000}}}}
destinations:
  drop: {{sftp: {{host: 127.0.0.1, port: {port}, username: {user}, key: {{file: {folder}/client}}, host_keys: ["{pin}"], base: "{drop}"}}}}
""")
    open(f"{folder}/ours/pipelines/line.yaml", "w").write(PIPELINE)
    peer = f"{folder}/peer"
    os.makedirs(peer)
    open(f"{peer}/query.py", "w").write(QUERY)
    open(f"{peer}/run.sh", "w").write(SCRIPT)
    environment = dict(os.environ, BASE=base, REPORT=REPORT, EXECUTION=EXECUTION, DROP=drop, PORT=str(port), KEYS=folder,
                       PYTHON=sys.executable)
    figures = {"ours": [], "peer": []}
    try:
        for turn in range(TURNS + 1):
            shutil.rmtree(f"{folder}/ours/data", ignore_errors=True)
            ours = timed([BINARY, "--config", f"{folder}/ours/reportferry.yaml", "run", "line"])
            theirs = timed(["bash", "run.sh"], cwd=peer, env=environment)
            digests = {hashlib.sha256(open(f"{drop}/{name}.csv", "rb").read()).hexdigest() for name in ("ours", "peer")}
            if len(digests) != 1:
                subprocess.run(["cmp", f"{drop}/ours.csv", f"{drop}/peer.csv"])
                sys.exit(f"the two differ; they lie in {drop}")
            if turn:  # the first is a warm-up
                figures["ours"].append(ours)
                figures["peer"].append(theirs)
    finally:
        sshd.terminate()
    print(f"{os.path.getsize(f'{drop}/ours.csv') / 1e6:.0f} MB arrived, the same bytes from both")
    print(f"{'':24}{'wall s':>10}{'cpu s':>10}{'peak MiB':>10}")
    for name, label in (("ours", "reportferry"), ("peer", "curl + DuckDB + sftp")):
        wall, cpu, rss = (statistics.median(column) for column in zip(*figures[name]))
        print(f"{label:24}{wall:10.2f}{cpu:10.2f}{rss / 1024:10.1f}")
    ratios = [a[0] / b[0] for a, b in zip(figures["ours"], figures["peer"])]
    print(f"wall, ours to theirs, turn by turn: median {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    shutil.rmtree(folder)


main()
