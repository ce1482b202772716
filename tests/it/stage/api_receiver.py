"""Receivers with an API of their own, which check what their specifications ask for. One JSON line for each request goes
to standard output; `verified` is true, null where nothing was to check, or the clause that was broken.

    api_receiver.py KIND ANSWERS

KIND is `xapi`, `badges`, `imports`, `model`, `activities` or `any`. ANSWERS is a file with a JSON list; each request takes one away: a status,
"drop" (taken, and the connection closed without a response), "unheard" (closed before it is taken), null (as specified), or {"raw": TEXT} for the
body of a response that is otherwise as specified. ANSWERS.refused is a JSON list of users whose records `imports` refuses.
`POST /token` is a token endpoint, which takes its answers from ANSWERS.token. A line of standard input is answered
with `null` after all requests before it; the server ends with standard input.
"""

import base64, http.server, json, os, re, sys, threading, time, urllib.parse, uuid

kind, answers = sys.argv[1:3]
lock = threading.Lock()
CLIENT = "the-client", "s3cret/of+the client"
tokens, stored = [], {}


class Broken(Exception):
    """A clause of the specification that a request breaks."""


def need(truth, clause):
    if not truth:
        raise Broken(clause)


def next_answer(path):
    with lock:
        try:
            with open(path) as file:
                left = json.load(file)
        except (FileNotFoundError, ValueError):
            return None
        if not left:
            return None
        with open(path, "w") as file:
            json.dump(left[1:], file)
        return left[0]


def token(headers, body):
    """RFC 6749, 4.4.2: a form with `grant_type=client_credentials`; 2.3.1: id and secret are form-encoded before Basic."""
    need(headers["content-type"] == "application/x-www-form-urlencoded", "RFC 6749, 4.4.2: the content type")
    form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
    need(form.pop("grant_type", "") == "client_credentials", "RFC 6749, 4.4.2: grant_type")
    if "authorization" in headers:
        way, _, pair = headers["authorization"].partition(" ")
        need(way == "Basic", "RFC 6749, 2.3.1: Basic")
        account = tuple(urllib.parse.unquote_plus(part) for part in base64.b64decode(pair).decode().split(":"))
    else:
        account = form.pop("client_id", ""), form.pop("client_secret", "")
    need(account == CLIENT, "RFC 6749, 2.3.1: the client's id and secret")
    with lock:
        tokens.append(f"tok-{len(tokens) + 1}-{uuid.uuid4().hex}")
        return {"access_token": tokens[-1], "token_type": "bearer", "expires_in": 3600}, form


def xapi(method, path, headers, body):
    """xAPI 1.0.3, part three (Communication)."""
    need(headers.get("x-experience-api-version") == "1.0.3", "6.2: each request has X-Experience-API-Version")
    need((method, path) == ("POST", "/xapi/statements"), "2.1.2: POST to statements")
    statements = json.loads(body)
    need(isinstance(statements, list) and len(statements) <= 25, "a list of statements")
    for one in statements:
        need(set(one) <= {"id", "actor", "verb", "object", "result", "timestamp"}, "part two, 2.4: the properties")
        need(str(uuid.UUID(one["id"])) == one["id"], "part two, 2.4.1: the id is a UUID")
        need(one["actor"]["mbox"].startswith("mailto:"), "part two, 2.4.2.3: mbox is a mailto IRI")
        need(":" in one["verb"]["id"] and ":" in one["object"]["id"], "part two, 2.4.3: an id is an IRI")
    with lock:
        if any(one["id"] in stored for one in statements):
            return 409, b""
        stored.update({one["id"]: one for one in statements})  # 2.1.2: all of them or none
    return 200, json.dumps([one["id"] for one in statements]).encode()


def badges(method, path, headers, body):
    """Credly's API, issued badges: one object a request, with an account by Basic; nothing recognises a repeat."""
    need(method == "POST" and re.fullmatch(r"/v1/organizations/[^/]+/badges", path), "POST /organizations/…/badges")
    need(headers.get("authorization", "").startswith("Basic "), "Basic")
    badge = json.loads(body)
    need({"recipient_email", "badge_template_id", "issued_at"} <= set(badge), "the required parameters")
    with lock:
        stored[badge["recipient_email"]] = stored.get(badge["recipient_email"], 0) + 1
    return 201, json.dumps({"data": {"id": str(uuid.uuid4()), "state": "pending"}}).encode()


def imports(method, path, headers, body):
    """ServiceNow's import set API, insertMultiple: at most 200 records, and a status for each of them, in their order."""
    need((method, path) == ("POST", "/api/now/import/u_completions/insertMultiple"), "POST …/insertMultiple")
    document = json.loads(body)
    need(set(document) == {"records"}, "an object with `records`")
    need(1 <= len(document["records"]) <= 200, "at most 200 records")
    try:
        with open(answers + ".refused") as file:
            refused = set(json.load(file))
    except FileNotFoundError:
        refused = set()
    result = []
    with lock:
        for record in document["records"]:
            user = record["u_user"]
            if user in refused:
                result.append({"u_user": user, "status": "error", "error_message": f"{user} is unknown"})
            else:
                known = stored.get(user, 0)
                stored[user] = known + 1
                result.append({"u_user": user, "status": "updated" if known else "inserted", "sys_id": uuid.uuid4().hex})
    return 201, json.dumps({"import_set": "ISET0010001", "result": result}).encode()


def bearer(headers):
    need(tokens and headers.get("authorization") == f"Bearer {tokens[-1]}", "RFC 6750, 2.1: the token that was issued")


def model(method, path, headers, body):
    """Power BI REST, Datasets PostRowsInGroup: `{"rows": [...]}`, 10,000 rows at most; texts of 4,000 characters at most."""
    bearer(headers)
    need(method == "POST" and re.fullmatch(r"/v1\.0/myorg/groups/[0-9a-f-]{36}/datasets/[0-9a-f-]{36}/tables/\w+/rows", path),
         "POST …/tables/NAME/rows")
    document = json.loads(body)
    need(set(document) == {"rows"} and 1 <= len(document["rows"]) <= 10_000, "at most 10,000 rows")
    for row in document["rows"]:
        need(all(len(cell) <= 4_000 for cell in row.values() if isinstance(cell, str)), "4,000 characters")
        need(row["Score"] is None or isinstance(row["Score"], (int, float)), "a number is no text")
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["CompletedOn"]), "a time in ISO form")
        key = row["UserID"] + "/" + row["CourseID"]
        with lock:
            stored[key] = stored.get(key, 0) + 1
    return 200, b""


def activities(method, path, headers, body):
    """Microsoft Graph 1.0, learningCourseActivities of a provider: one self-initiated activity a request."""
    bearer(headers)
    place = re.fullmatch(r"/v1\.0/employeeExperience/learningProviders/([0-9a-f-]{36})/learningCourseActivities", path)
    need(method == "POST" and place, "POST …/learningCourseActivities")
    activity = json.loads(body)
    need(activity["@odata.type"] == "#microsoft.graph.learningSelfInitiatedCourse", "the type")
    need({"learningContentId", "learnerUserId", "learningProviderId", "status"} <= set(activity), "the required properties")
    need(activity["learningProviderId"] == place[1], "the provider of the path")
    need(activity["status"] in ("inProgress", "completed"), "courseStatus")
    need(type(activity["completionPercentage"]) is int and 0 <= activity["completionPercentage"] <= 100, "an Int32 up to 100")
    need(None not in activity.values(), "a property without a value is left out")
    with lock:
        key = activity["externalCourseActivityId"]
        stored[key] = stored.get(key, 0) + 1
    return 201, json.dumps({"id": str(uuid.uuid4()), **activity}).encode()


def anything(method, path, headers, body):
    if tokens and headers.get("authorization") != f"Bearer {tokens[-1]}":
        return 401, ("not " + headers.get("authorization", "")).encode()
    return 200, b"{}"


KINDS = {"xapi": xapi, "badges": badges, "imports": imports, "model": model, "activities": activities, "any": anything}


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = {"method": self.command, "path": self.path, "headers": headers, "verified": True}
        is_token = self.path == "/token"
        answer = next_answer(answers + (".token" if is_token else ""))
        status, text = answer if isinstance(answer, int) else 200, b""
        try:
            if is_token:
                granted, seen["form"] = token(headers, body)
                text = json.dumps(granted).encode()
                time.sleep(0.05)
            else:
                seen["body"] = json.loads(body)
                if answer in (None, "drop") or isinstance(answer, dict):
                    status, text = KINDS[kind](self.command, self.path, headers, body)
                    text = answer["raw"].encode() if isinstance(answer, dict) else text
                elif answer == 401:
                    text = ("not " + headers.get("authorization", "")).encode()
        except (Broken, ValueError, KeyError, TypeError) as error:
            status, seen["verified"] = 400, f"{type(error).__name__}: {error}"
        seen["answer"] = answer if isinstance(answer, str) else status
        with lock:
            seen["stored"] = len(stored)
            seen["most"] = max([count for count in stored.values() if isinstance(count, int)], default=0)
            print(json.dumps(seen), flush=True)
        if answer in ("drop", "unheard"):
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_PATCH = do_POST


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def mark():
    """A line of `null` for each line that comes in; the end of what comes in is ours too."""
    for _ in sys.stdin:
        with lock:
            print("null", flush=True)
    os._exit(0)


server = Server(("127.0.0.1", 0), Receiver)
threading.Thread(target=mark, daemon=True).start()
print(server.server_address[1], flush=True)
server.serve_forever()
