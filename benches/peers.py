"""How each client is asked for the same delivery. A `Job` goes in, a command comes out; defaults are left as they are,
but for the host key, which all of them check against the same `known_hosts`, and retries, which nobody may hide."""

import pathlib
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = ROOT / "target/tools/bin/python"


@dataclass
class Job:
    """Every file of `folder`, under its own name, into the server's `drop`."""
    host: object  # hosts.Sshd
    port: int
    folder: pathlib.Path
    files: list
    digests: dict  # SHA-256 by name
    scratch: pathlib.Path  # a new folder for what the client needs to be told in a file
    ours: pathlib.Path


def ours(job, *flags):
    """With the digests, which a run has when it comes to deliver."""
    (job.scratch / "sums").write_text("".join(f"{job.digests[file.name]}  {file}\n" for file in job.files))
    return [job.ours, *flags, "--host", "127.0.0.1", "--port", str(job.port), "--user", job.host.user, "--key", job.host.key,
            "--pin", job.host.pin, "--base", job.host.drop, job.scratch / "sums"]


def batch(job, name, lines):
    path = job.scratch / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return ["sftp", "-q", "-F", job.host.config, "-P", str(job.port), "-b", path, "127.0.0.1"]


def sftp(job, put="put"):
    """A line for each file."""
    return batch(job, "batch", (f'{put} "{file}" "{job.host.drop}/{file.name}"' for file in job.files))


def sftp_wildcard(job, put="put"):
    """One line for all: `sftp` then asks only once whether the target is a directory, which saves a round trip a file."""
    return batch(job, "batch", [f'{put} "{job.folder}"/* "{job.host.drop}/"'])


def sftp_side_by_side(job):
    """One process for each file, all at once."""
    commands = [batch(job, f"batch{number}", [f'put "{file}" "{job.host.drop}/{file.name}"'])
                for number, file in enumerate(job.files)]
    started = "".join(f"{shlex.join(map(str, command))} & pids=\"$pids $!\"\n" for command in commands)
    return ["sh", "-c", f"pids=\n{started}for pid in $pids; do wait $pid || exit 1; done"]


def scp(job):
    return ["scp", "-q", "-F", job.host.config, "-P", str(job.port), *job.files, f"127.0.0.1:{job.host.drop}/"]


def rclone(job, transfers=1):
    """Without its comparison afterwards, for which it would run md5sum or sha1sum on the server."""
    if len(job.files) == 1:
        what = ["copyto", job.files[0], f":sftp:{job.host.drop}/{job.files[0].name}"]
    else:
        what = ["copy", job.folder, f":sftp:{job.host.drop}"]
    return ["rclone", "--config", "", *what, "--transfers", str(transfers), "--checkers", "1", "--retries", "1",
            "--low-level-retries", "1", "--sftp-host", "127.0.0.1", "--sftp-port", str(job.port), "--sftp-user", job.host.user,
            "--sftp-key-file", job.host.key, "--sftp-known-hosts-file", job.host.known_hosts, "--sftp-disable-hashcheck"]


def lftp(job, parallel=1):
    if len(job.files) == 1:
        what = f'put "{job.files[0]}" -o "{job.host.drop}/{job.files[0].name}"'
    else:
        what = f'mirror -R --parallel={parallel} "{job.folder}/" "{job.host.drop}/"'
    return ["lftp", "--norc", "-c",
            f'set sftp:connect-program "ssh -a -x -F {job.host.config}"; set net:max-retries 1; set cmd:fail-exit yes; '
            f"open -u {job.host.user},none -p {job.port} sftp://127.0.0.1; {what}"]


PARAMIKO = """
import concurrent.futures, paramiko, sys
port, user, key, known_hosts, drop, connections, names = sys.argv[1:]
files = open(names).read().splitlines()
def deliver(files):
    with paramiko.SSHClient() as client:  # refuses hosts that are not known, unless told otherwise
        client.load_host_keys(known_hosts)
        client.connect("127.0.0.1", int(port), user, key_filename=key, allow_agent=False, look_for_keys=False)
        sftp = client.open_sftp()
        for file in files:
            sftp.put(file, drop + "/" + file.rsplit("/", 1)[1])  # pipelined, then measured by its stat
connections = int(connections)
if connections == 1:
    deliver(files)
else:
    with concurrent.futures.ThreadPoolExecutor(connections) as threads:
        list(threads.map(deliver, (files[n::connections] for n in range(connections))))
"""


def paramiko(job, connections=1):
    (job.scratch / "names").write_text("".join(f"{file}\n" for file in job.files))
    host = job.host
    return [PYTHON, "-c", PARAMIKO, str(job.port), host.user, host.key, host.known_hosts, host.drop, str(connections),
            job.scratch / "names"]


def versions():
    """What is measured, by name."""
    def said(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"{error}\nrun benches/tools first")
        return (done.stdout + done.stderr).strip()
    return {
        "ours": said("git", "-C", ROOT, "describe", "--always", "--dirty"),
        "sftp, scp, sshd": said("ssh", "-V").split(",")[0],
        "rclone": said("rclone", "version").split()[1],
        "lftp": re.search(r"Version (\S+)", said("lftp", "--version"))[1],
        "paramiko": said(PYTHON, "-c", "import paramiko; print(paramiko.__version__)"),
    }
