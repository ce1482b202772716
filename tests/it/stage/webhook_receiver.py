"""A receiver of webhooks: verifies each signature by the published Standard Webhooks library, keeps what came, and
answers as it is told. One JSON line for each request goes to standard output.

    webhook_receiver.py SECRET ANSWERS [CERT KEY [CLIENT_CA]]

SECRET is `-` for none, or `@` and a file that is read for each request. ANSWERS is a file with a JSON list; each request takes one away: a status, [status, {header: value}], "drop" (the
request is read and the connection closed), or "slow" (200 after a fifth of a second), else 200. `together` is how many
requests were under way as one came. A line of standard input is answered with `null` after all requests before it; the
server ends with standard input.
"""

import base64, gzip, hashlib, http.server, json, os, ssl, sys, threading, time

import zstandard
from standardwebhooks.webhooks import Webhook, hmac_data

given, answers = sys.argv[1:3]
lock = threading.Lock()
together = 0


def next_answer():
    with lock:
        try:
            with open(answers) as file:
                left = json.load(file)
        except (FileNotFoundError, ValueError):
            return 200
        if not left:
            return 200
        with open(answers, "w") as file:
            json.dump(left[1:], file)
        return left[0]


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if size == 0:
                return b"".join(parts)

    def do_POST(self):
        global together
        with lock:
            together += 1
        try:
            self.take(together)
        finally:
            with lock:
                together -= 1

    def take(self, together):
        body = self.body()
        encoding = self.headers.get("content-encoding")
        plain = body
        if encoding == "gzip":
            plain = gzip.decompress(body)
        if encoding == "zstd":
            plain = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        verified = None
        secret = open(given[1:]).read() if given.startswith("@") else given
        if secret != "-":
            try:
                hook, headers = Webhook(secret), {name.lower(): value for name, value in self.headers.items()}
                # The library takes text only: what a packed body was before it was packed.
                hook.verify(plain, headers, json_parse=headers.get("content-type") == "application/json")
                # The raw body, before anything is decoded, with the library's key and HMAC.
                signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
                expected = "v1," + base64.b64encode(hmac_data(hook._whsecret, signed)).decode()
                if expected not in headers["webhook-signature"].split(" "):
                    raise ValueError("no signature matches the raw body")
                verified = True
            except Exception as error:
                verified = f"{type(error).__name__}: {error}"
        seen = {"path": self.path, "id": self.headers.get("webhook-id"), "verified": verified, "encoding": encoding,
                "together": together,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "sha256": hashlib.sha256(plain).hexdigest()}
        if self.headers.get("content-type") == "application/json":
            seen["body"] = json.loads(plain)
        answer = next_answer()
        if answer == "slow":
            time.sleep(0.2)
            answer = 200
        seen["answer"] = answer
        with lock:
            print(json.dumps(seen), flush=True)
        if answer == "drop":
            self.close_connection = True
            self.connection.close()
            return
        status, headers = answer if isinstance(answer, list) else (answer, {})
        words = b"as told" if status == 200 else b"no: " + str(self.headers.get("authorization")).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    if len(sys.argv) > 5:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
def mark():
    """A line of `null` for each line that comes in; the end of what comes in is ours too."""
    for _ in sys.stdin:
        with lock:
            print("null", flush=True)
    os._exit(0)


threading.Thread(target=mark, daemon=True).start()
print(server.server_address[1], flush=True)
server.serve_forever()
