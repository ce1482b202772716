"""An SFTP server that is not OpenSSH: asyncssh's, with passwords, on a loopback port of its own.

usage: asyncssh_server.py HOST_KEY ROOT METHODS USER_KEY

METHODS is one of password, interactive, code (which asks two questions), key+password. The account is `acme`, its password `correct horse`.
Prints the port on a line of its own, then serves until standard input ends.
"""

import asyncio
import sys

import asyncssh

USER, PASSWORD, CODE = "acme", "correct horse", "246810"


class Server(asyncssh.SSHServer):
    def __init__(self, methods, key):
        self.methods = methods
        self.key = key
        self.has_key = False

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return self.methods == "password" or (self.methods == "key+password" and self.has_key)

    def validate_password(self, username, password):
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self):
        return self.methods in ("interactive", "code")

    def get_kbdint_challenge(self, username, lang, submethods):
        questions = [("Password: ", False), ("Verification code: ", True)]
        return "Sign-in", "Questions", "", questions if self.methods == "code" else questions[:1]

    def validate_kbdint_response(self, username, responses):
        return (username, list(responses)) == (USER, [PASSWORD, CODE] if self.methods == "code" else [PASSWORD])

    def public_key_auth_supported(self):
        return self.methods == "key+password" and not self.has_key

    def validate_public_key(self, username, key):
        return username == USER and key == self.key


succeed = asyncssh.connection.SSHServerConnection.send_userauth_success


async def succeed_or_ask_for_more(connection):
    """asyncssh itself is content with one proof: a good key is answered here with "partial success" (RFC 4252)."""
    server = connection._owner
    if server.public_key_auth_supported():
        server.has_key = True
        connection.send_userauth_failure(True)
    else:
        await succeed(connection)


asyncssh.connection.SSHServerConnection.send_userauth_success = succeed_or_ask_for_more


async def main():
    host_key, root, methods, user_key = sys.argv[1:5]
    key = asyncssh.read_public_key(user_key)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Server(methods, key),
        server_host_keys=[host_key],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=root),
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
