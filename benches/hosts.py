"""The far side of `sftp.py`: a private OpenSSH server on loopback, and the same server at a distance."""

import getpass
import os
import pathlib
import socket
import subprocess
import sys
import time

import built

SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server",
                "/usr/lib/ssh/sftp-server")
TICKS = os.sysconf("SC_CLK_TCK")
START_S_MAX = 10
QUIET_S_MAX = 60


def cpu_s(process):
    """CPU seconds of a process that runs, and of those of its children that have ended."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / TICKS


class Sshd:
    """`server` is internal (in sshd's own process) or external (OpenSSH's sftp-server), `cipher` the only one it takes, if not
    each client's own choice; no limit of its own is met."""

    def __init__(self, home, server="internal", cipher=None, log_level="ERROR"):
        home.mkdir()
        self.home, self.drop, self.known_hosts, self.user = home, home / "drop", home / "known_hosts", getpass.getuser()
        self.key, self.config, self.log = home / "client", home / "ssh_config", home / "log"
        self.drop.mkdir()
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home / name], check=True)
        self.pin = subprocess.check_output(["ssh-keygen", "-l", "-f", home / "host"], text=True).split()[1]
        self.host_key = " ".join((home / "host.pub").read_text().split()[:2])
        # For OpenSSH's clients, and lftp, which uses them. What the person who measures has set is left out.
        self.config.write_text(
            f"Host *\n  User {self.user}\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n")
        if server == "external":
            server = next((path for path in SFTP_SERVERS if os.path.exists(path)), None)
            if server is None:
                sys.exit(f"no sftp-server in {', '.join(SFTP_SERVERS)}")
        else:
            server = "internal-sftp"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        (home / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {home}/host\nAuthorizedKeysFile {home}/client.pub\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
            f"MaxStartups 1000\nMaxSessions 1000\nLogLevel {log_level}\nSubsystem sftp {server}\n"
            + (f"Ciphers {cipher}\n" if cipher else ""))
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", home / "sshd_config"], stderr=log)
        self.trust(self.port)
        deadline = time.monotonic() + START_S_MAX
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"sshd does not start: {self.log.read_text()}")
            time.sleep(0.01)
        self.wait_until_quiet()

    def trust(self, port):
        """Every client reads this file, and refuses a server that is not in it."""
        with open(self.known_hosts, "a") as known_hosts:
            known_hosts.write(f"[127.0.0.1]:{port} {self.host_key}\n")

    def wait_until_quiet(self):
        """Until the sessions have ended, so that none is measured with the next and their CPU time is booked."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        deadline = time.monotonic() + QUIET_S_MAX
        while children.read_text().strip():
            if time.monotonic() > deadline:
                sys.exit("a session of sshd does not end")
            time.sleep(0.005)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Delay:
    """What connects to `port` reaches `behind`, half a round trip later."""

    def __init__(self, behind, round_trip_ms):
        self.process = subprocess.Popen([built.bench("delay"), f"127.0.0.1:{behind}", str(round_trip_ms)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
