"""A second Docebo, which shares no code with the product's sandbox: written with Python's standard library from what public
clients show of the API. It has people, courses and enrollments; an account sees a row only if it is assigned the person and
the course, and whatever it may not see is missing without an error, as on the real platform.

    docebo_server.py FOLDER

FOLDER/state.json is read at each request; FOLDER/requests.jsonl gets a line for each. The port is printed when it listens.
"""
import base64
import hashlib
import io
import json
import secrets
import sys
import threading
import time
import zipfile
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

FOLDER = Path(sys.argv[1])
REPORT = "619bf79c-970a-4a8e-be8a-dde48a05c652"
HEADERS = ["Employee Number", "Email", "Course Code", "Course Enrollment Status", "Completion Date", "Final Score"]

# What the tests change. Times are UTC.
DEFAULTS = {
    "now": "2026-11-23 10:00:00",
    "client_id": "reportferry",
    "client_secret": "",
    "username": "svc-reporting",
    "password": "",
    "account_id": 11234,
    "level": "power_user",
    "people": 40,
    "courses": 6,
    # What the account is assigned; null: everybody, everything.
    "assigned_people": None,
    "assigned_courses": None,
    "permissions": ["/framework/admin/report/view"],
    # Beginning of a path, or with a $ the whole path: 401, 403, "html", "redirect" or 404.
    "denied": {},
    # Old header: new header.
    "renamed": {},
    # Only so many rows of the report are given.
    "rows_max": None,
    # The report's data ends here.
    "snapshot": None,
    # A row is given twice.
    "twice": False,
    # The ZIP ends after this share of its bytes, and so does what the response states.
    "truncate_zip": None,
    # The connection ends after this share of the body, which is stated whole.
    "cut_download": None,
    # The last page is missing although the one before promises it: it is empty and final.
    "lose_page": False,
    # Pages end in the middle of their JSON.
    "cut_page": False,
    "page_size": 50,
    # False: the list endpoints state no totals.
    "totals": True,
    # "page" or "cursor"
    "paging": "page",
    "polls": 1,
    # Enrollments that changed after their first day: number: time
    "changed": {},
}


def state():
    read = json.loads((FOLDER / "state.json").read_text()) if (FOLDER / "state.json").exists() else {}
    unknown = set(read) - set(DEFAULTS)
    assert not unknown, unknown
    return {**DEFAULTS, **read}


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)


def written(at):
    return at.strftime("%Y-%m-%d %H:%M:%S")


def noise(*parts):
    """A number that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big")


def enrollments(now):
    """Everything that the platform holds: (person, course, status, done, score, changed). Somebody completes something
    every hour."""
    until = moment(now["snapshot"] or now["now"])
    for person in range(now["people"]):
        for course in range(now["courses"]):
            number = person * now["courses"] + course
            hours = 1 + noise("hours", number) % (24 * 90)
            done = until.replace(minute=0, second=0) - timedelta(hours=hours - 1)
            completed = noise("status", number) % 4 != 0
            changed = done if completed else until - timedelta(days=100 + noise("began", number) % 100)
            if str(number) in now["changed"]:
                changed = moment(now["changed"][str(number)])
            yield {
                "number": number, "person": person, "course": course,
                "status": "Completed" if completed else "In Progress",
                "done": written(done) if completed else "",
                "score": str(50 + noise("score", number) % 51) if completed else "",
                "changed": written(changed),
            }


def visible(now):
    people, courses = now["assigned_people"], now["assigned_courses"]
    return [row for row in enrollments(now)
            if (people is None or row["person"] in people) and (courses is None or row["course"] in courses)]


def employee(person):
    return f"{person + 1:08}"


def email(person):
    return f"person{person}@acme.example"


def report(now):
    """The report's header and rows."""
    header = [now["renamed"].get(name, name) for name in HEADERS]
    rows = [[employee(row["person"]), email(row["person"]), f"C-{row['course']:03}", row["status"], row["done"], row["score"]]
            for row in visible(now)]
    if now["rows_max"] is not None:
        rows = rows[:now["rows_max"]]
    if now["twice"]:
        rows.append(list(rows[0]))
    return header, rows


def csv_text(header, rows):
    def cell(text):
        return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text
    return "".join(",".join(map(cell, row)) + "\n" for row in [header, *rows])


class Memory:
    lock = threading.Lock()
    tokens = {}
    polls = {}
    started = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def log(self, status):
        line = json.dumps({"method": self.command, "path": urlsplit(self.path).path, "query": urlsplit(self.path).query,
                           "status": status})
        with Memory.lock, open(FOLDER / "requests.jsonl", "a") as log:
            log.write(line + "\n")

    def reply(self, status, body, kind="application/json", cut=None, headers=()):
        self.log(status)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(status)
        now = moment(state()["now"])
        self.send_header("Date", formatdate(now.timestamp(), usegmt=True))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if cut is None else body[:int(len(body) * cut)])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

    def refuse(self, how):
        if how == "html":
            return self.reply(200, b"<!DOCTYPE html><title>Sign in</title>", "text/html; charset=utf-8")
        if how == "redirect":
            return self.reply(302, b"", "text/html", headers=[("Location", "/signin")])
        names = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
        return self.reply(how, {"name": names.get(how, "Error"), "message": [names.get(how, "Error")], "status": how})

    # Whatever is no GET, the token apart, is refused and seen in the log.
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if urlsplit(self.path).path != "/oauth2/token":
            return self.refuse(405)
        now, form = state(), dict(parse_qsl(body))
        def wrong(error, description):
            self.reply(400, {"error": error, "error_description": description})
        if (form.get("client_id"), form.get("client_secret")) != (now["client_id"], now["client_secret"]):
            return wrong("invalid_client", "The client credentials are invalid")
        if form.get("grant_type") != "password":
            return wrong("unsupported_grant_type", "The grant type is not available")
        if (form.get("username"), form.get("password")) != (now["username"], now["password"]):
            return wrong("invalid_grant", "Invalid username and password combination")
        token = secrets.token_hex(20)
        with Memory.lock:
            Memory.tokens[token] = time.monotonic() + 3600
        self.reply(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer", "scope": "api"})

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.refuse(405)

    do_PATCH = do_DELETE = do_HEAD = do_PUT

    def do_GET(self):
        now, url = state(), urlsplit(self.path)
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with Memory.lock:
            known = Memory.tokens.get(given, 0) > time.monotonic()
        if not known:
            return self.refuse(401)
        for prefix, how in now["denied"].items():
            if url.path + "$" == prefix or url.path.startswith(prefix):
                return self.refuse(how)
        query = parse_qs(url.query)
        parts = url.path.strip("/").split("/")
        match parts:
            case ["manage", "v1", "user", "session"]:
                self.reply(200, {"data": {"id": now["account_id"], "username": now["username"],
                                          "email": "svc@acme.example", "user_level": now["level"], "timezone": "Europe/Rome"}})
            case ["poweruser", "v1", "powerusers", account] if account == str(now["account_id"]):
                people, courses = now["assigned_people"], now["assigned_courses"]
                self.reply(200, {"data": {
                    "total_assigned_users": now["people"] if people is None else len(people),
                    "total_assigned_courses": now["courses"] if courses is None else len(courses),
                    "total_assigned_branches": 1, "total_assigned_groups": 0,
                    "permissions": [{"area": code.split("/")[-2], "code": code} for code in now["permissions"]]}})
            case ["analytics", "v1", "reports"]:
                self.reply(200, {"data": [{"idReport": REPORT, "name": "Compliance completions"}]})
            case ["analytics", "v1", "reports", id, *rest] if id == REPORT:
                self.analytics(now, rest, query)
            case ["manage", "v1", "user"]:
                seen = now["assigned_people"]
                people = [p for p in range(now["people"]) if seen is None or p in seen]
                self.listed(now, query, [{
                    "user_id": str(100 + p), "username": employee(p), "first_name": f"First{p}", "last_name": "李" if p == 3 else f"Last{p}",
                    "email": email(p), "level": "user", "status": "1", "last_update": "2026-01-02 03:04:05"} for p in people])
            case ["learn", "v1", "courses"]:
                seen = now["assigned_courses"]
                courses = [c for c in range(now["courses"]) if seen is None or c in seen]
                self.listed(now, query, [{"id_course": c + 1, "name": f"Course {c}", "course_type": "elearning",
                                          "code": f"C-{c:03}", "date_last_updated": "2026-01-02 03:04:05"} for c in courses])
            case ["learn", "v1", "enrollments"]:
                rows = visible(now)
                if since := query.get("updated_from"):
                    rows = [row for row in rows if row["changed"] >= since[0]]
                self.listed(now, query, [{
                    "id": row["course"] + 1, "user_id": str(100 + row["person"]), "username": employee(row["person"]),
                    "status": row["status"].lower().replace(" ", "_"), "score": row["score"] or None,
                    "course_complete_date": row["done"] or None, "enroll_begin_date": None, "enroll_end_date": None,
                    "date_last_updated": row["changed"]} for row in rows])
            case _:
                self.refuse(404)

    def analytics(self, now, rest, query):
        match rest:
            case ["export", "csv"]:
                with Memory.lock:
                    Memory.started.append(now)
                    id = f"e-{len(Memory.started)}"
                    Memory.polls[id] = now["polls"]
                return self.reply(200, {"data": {"executionId": id}})
            case ["exports", id, *rest] if id in Memory.polls:
                pass
            case _:
                return self.refuse(404)
        match rest:
            case []:
                with Memory.lock:
                    Memory.polls[id] -= 1
                    running = Memory.polls[id] >= 0
                return self.reply(200, {"data": {"status": "IN_PROGRESS" if running else "SUCCEEDED"}})
            case ["download"]:
                packed = io.BytesIO()
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr("report.csv", csv_text(*report(now)))
                body = packed.getvalue()
                if now["truncate_zip"] is not None:
                    body = body[:int(len(body) * now["truncate_zip"])]
                return self.reply(200, body, "application/zip", cut=now["cut_download"])
            case ["results"]:
                header, rows = report(now)
                size = min(int(query.get("pageSize", ["1000"])[0]), now["page_size"])
                token = query.get("nextToken", [None])[0]
                start = int(base64.b64decode(token).decode()) if token else 0
                page = [dict(zip(header, row)) for row in rows[start:start + size]]
                more = start + size < len(rows)
                if now["lose_page"] and start > 0 and not more:
                    page = []
                response = {"data": page}
                if more:
                    response["nextToken"] = base64.b64encode(str(start + size).encode()).decode()
                return self.reply(200, response, cut=0.5 if now["cut_page"] else None)
            case _:
                return self.refuse(404)

    def listed(self, now, query, items):
        size = min(int(query.get("page_size", ["200"])[0]), 200, now["page_size"])
        number = int(query.get("page", ["1"])[0])
        if cursor := query.get("cursor"):
            number = int(base64.b64decode(cursor[0]).decode().split(":")[1])
        page = items[(number - 1) * size:number * size]
        more = number * size < len(items)
        if now["lose_page"] and number > 1 and not more:
            page = []
        data = {"items": page, "has_more_data": more, "current_page": number, "current_page_size": size}
        if now["totals"]:
            data |= {"count": len(page), "total_count": len(items), "total_page_count": -(-len(items) // size)}
        if now["paging"] == "cursor" and more:
            data["cursor"] = base64.b64encode(f"page:{number + 1}".encode()).decode()
        self.reply(200, {"data": data}, cut=0.5 if now["cut_page"] else None)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()  # the test that started it is gone
