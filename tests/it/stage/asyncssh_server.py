"""An SFTP server that is not OpenSSH: asyncssh's, with passwords and scripted faults, on a loopback port of its own.

usage: asyncssh_server.py HOST_KEY ROOT METHODS USER_KEY FAULTS

METHODS is one of key, password, interactive, code (which asks two questions), key+password, expired (the password must be
changed), expired-interactive (the same, by questions), sha1 (by key, RSA with SHA-1 signatures alone). The account is `acme`, its
password `correct horse`. Prints the port on a line of its own, then serves until standard input ends.

FAULTS is a file with a JSON object, read anew for each session, or no file. Requests are called as asyncssh calls them
(`rename`, `posix_rename`, `lstat`, `opendir` …):

    {"refuse": {"setstat": 3},           these requests, with this status
     "without": ["fsync@openssh.com"],   not offered, and not understood
     "write_only": true,                 files cannot be opened for reading
     "taken_on": "close",                a file is moved to `taken`, beside HOST_KEY, as it is closed, or as it is renamed
     "room": [40000, 14],                a file's bytes, and the status of a write beyond them
     "cut_after": "rename",              done, but the answer is never sent: the connection is cut, once
     "late_s": 0.1,                      each answer comes so late
     "late": {"close": 8},               the answers to these requests do
     "refuse_for": {"rename": [4, 3, "used by another process"]},  refused with a status and a text, from the first such
                                         request on for so many seconds
     "gateway": true,                    a file's content is at its path once it is closed; until then, the size of the open
                                         file is that of the one that is there
     "drops_empty": true,                files of 0 bytes are not kept
     "umask": 63,                        of what is made from now on
     "refuse_sign_ins": 1,               so many keys are refused, then one is accepted
     "banner": "Closed on Sundays",      shown to whoever signs in
     "disconnect": ["begin", "why"],     the connection is ended with this text: `begin` when the sign-in begins, `key` when
                                         a key or a password is shown, `done` when it is accepted
     "prints": "Welcome",                text before SFTP; as Latin-1
     "prints_only": true}                and then nothing, and the end
"""

import asyncio
import json
import os
import sys
import time

import asyncssh
from asyncssh.packet import String, UInt32
from asyncssh.sftp import SFTPServerHandler

USER, PASSWORD, CODE = "acme", "correct horse", "246810"


def read_faults(path):
    if os.path.exists(path):
        with open(path) as file:
            return json.load(file)
    return {}


class Server(asyncssh.SSHServer):
    def __init__(self, methods, key, faults):
        self.methods = methods
        self.key = key
        self.faults = faults
        self.has_key = False
        self.rounds = 0

    def connection_made(self, conn):
        self.conn = conn

    def disconnect_at(self, when):
        at, why = read_faults(self.faults).get("disconnect", (None, ""))
        if at == when:
            raise asyncssh.DisconnectError(asyncssh.DISC_TOO_MANY_CONNECTIONS, why)

    def begin_auth(self, username):
        banner = read_faults(self.faults).get("banner")
        if banner:
            self.conn.send_auth_banner(banner + "\r\n")
        self.disconnect_at("begin")
        return True

    def auth_completed(self):
        self.disconnect_at("done")

    def password_auth_supported(self):
        return self.methods in ("password", "expired") or (self.methods == "key+password" and self.has_key)

    def validate_password(self, username, password):
        self.disconnect_at("key")
        if self.methods == "expired":
            raise asyncssh.PasswordChangeRequired("Your password has expired")
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self):
        return self.methods in ("interactive", "code", "expired-interactive")

    def get_kbdint_challenge(self, username, lang, submethods):
        questions = [("Password: ", False), ("Verification code: ", True)]
        return "Sign-in", "Questions", "", questions if self.methods == "code" else questions[:1]

    def validate_kbdint_response(self, username, responses):
        self.rounds += 1
        if self.methods == "expired-interactive" and self.rounds == 1 and list(responses) == [PASSWORD]:
            return "", "You are required to change your password immediately.", "", [("New password: ", False)]
        return (username, list(responses)) == (USER, [PASSWORD, CODE] if self.methods == "code" else [PASSWORD])

    def public_key_auth_supported(self):
        return self.methods in ("key", "sha1") or (self.methods == "key+password" and not self.has_key)

    def validate_public_key(self, username, key):
        self.disconnect_at("key")
        faults = read_faults(self.faults)
        if faults.get("refuse_sign_ins"):
            with open(self.faults, "w") as file:
                json.dump({**faults, "refuse_sign_ins": faults["refuse_sign_ins"] - 1}, file)
            return False
        return username == USER and key == self.key


succeed = asyncssh.connection.SSHServerConnection.send_userauth_success


async def succeed_or_ask_for_more(connection):
    """asyncssh itself is content with one proof: a good key is answered here with "partial success" (RFC 4252)."""
    server = connection._owner
    if server.methods == "key+password" and not server.has_key:
        server.has_key = True
        connection.send_userauth_failure(True)
    else:
        await succeed(connection)


asyncssh.connection.SSHServerConnection.send_userauth_success = succeed_or_ask_for_more


class Refusal(asyncssh.SFTPError):
    """Any status in any version: asyncssh itself tells a client of version 3 of "failure" where it means a later number."""

    def encode(self, version):
        return UInt32(self.code) + String(self.reason or "as told") + String("")


class Upload:
    """A file of a gateway to an object store: its content is at its path once it is closed."""

    def __init__(self, name, pflags):
        if pflags & asyncssh.FXF_EXCL and os.path.exists(name):
            raise Refusal(4, "")
        self.name = name
        self.content = bytearray()

    def writable(self):
        return True

    def seek(self, offset):
        self.offset = offset

    def write(self, data):
        end = self.offset + len(data)
        self.content.extend(bytes(max(0, end - len(self.content))))
        self.content[self.offset : end] = data
        return len(data)

    def close(self):
        with open(self.name, "wb") as file:
            file.write(self.content)


class Faulty(asyncssh.SFTPServer):
    def __init__(self, channel, root, taken, faults):
        super().__init__(channel, chroot=root)
        os.umask(faults.get("umask", 0o022))
        self.faults = faults
        self.taken = taken

    def open(self, path, pflags, attrs):
        if self.faults.get("write_only") and not pflags & asyncssh.FXF_WRITE:
            raise Refusal(3, "")
        if self.faults.get("gateway") and pflags & asyncssh.FXF_WRITE:
            return Upload(self.map_path(path), pflags)
        return super().open(path, pflags, attrs)

    def fstat(self, file_obj):
        if isinstance(file_obj, Upload):
            return os.stat(file_obj.name)
        return super().fstat(file_obj)

    def write(self, file_obj, offset, data):
        room, status = self.faults.get("room", (float("inf"), 0))
        if offset + len(data) > room:
            raise Refusal(status, "")
        return super().write(file_obj, offset, data)

    def take(self, path):
        os.makedirs(self.taken, exist_ok=True)
        os.rename(path, os.path.join(self.taken, os.path.basename(os.fsdecode(path))))

    def close(self, file_obj):
        is_theirs = file_obj.writable()
        super().close(file_obj)
        if self.faults.get("drops_empty") and is_theirs and os.path.getsize(file_obj.name) == 0:
            os.remove(file_obj.name)
            return
        if self.faults.get("taken_on") == "close" and is_theirs:
            self.take(file_obj.name)

    def rename(self, oldpath, newpath):
        super().rename(oldpath, newpath)
        if self.faults.get("taken_on") == "rename":
            self.take(self.map_path(newpath))

    def posix_rename(self, oldpath, newpath):
        super().posix_rename(oldpath, newpath)
        if self.faults.get("taken_on") == "rename":
            self.take(self.map_path(newpath))


run_sftp = SFTPServerHandler.run


async def print_and_run(session):
    """What a login script prints comes through the same channel, before the server's greeting."""
    faults = read_faults(sys.argv[5])
    if "prints" in faults:
        session._writer.write(faults["prints"].encode("latin-1"))
        if faults.get("prints_only"):
            session._writer.close()
            return
    await run_sftp(session)


SFTPServerHandler.run = print_and_run

EXTENSIONS, HANDLERS = SFTPServerHandler._extensions, SFTPServerHandler._packet_handlers


def arm(path):
    """Reads the faults, and puts those that concern requests before asyncssh's own handlers."""
    faults = read_faults(path)
    refused_since = {}
    without = [name.encode() for name in faults.get("without", [])]

    def wrapped(name, handler):
        async def handle(session, packet):
            await asyncio.sleep(faults.get("late", {}).get(name, faults.get("late_s", 0)))
            if name in faults.get("refuse_for", {}):
                status, seconds, text = faults["refuse_for"][name]
                if time.monotonic() - refused_since.setdefault(name, time.monotonic()) < seconds:
                    raise Refusal(status, text)
            if name in faults.get("refuse", {}):
                raise Refusal(faults["refuse"][name], "")
            answer = await handler(session, packet)
            if name == faults.get("cut_after"):
                with open(path, "w") as file:
                    json.dump({key: value for key, value in faults.items() if key != "cut_after"}, file)
                session._writer.channel.get_connection().abort()
            return answer

        handle.__name__ = handler.__name__
        return handle

    SFTPServerHandler._extensions = [known for known in EXTENSIONS if known[0] not in without]
    SFTPServerHandler._packet_handlers = {
        key: wrapped(handler.__name__.removeprefix("_process_"), handler)
        for key, handler in HANDLERS.items()
        if key not in without
    }
    return faults


async def main():
    host_key, root, methods, user_key, faults = sys.argv[1:6]
    key = asyncssh.read_public_key(user_key)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Server(methods, key, faults),
        signature_algs=["ssh-rsa"] if methods == "sha1" else (),
        server_host_keys=[host_key],
        sftp_factory=lambda channel: Faulty(channel, root, os.path.join(os.path.dirname(host_key), "taken"), arm(faults)),
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
