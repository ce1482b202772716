"""Builds what is measured, and says where it lies."""

import json, pathlib, subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def bench(name):
    """Returns the program of the bench `name`."""
    # Cargo builds the binary for a bench as for a test, with injected faults: ask for `binary` afterwards.
    return built("bench", "--no-run", "--bench", name)


def binary():
    """Returns reportferry as it is shipped."""
    return built("build", "--release", "--features", "full", "--bin", "reportferry")


def built(command, *what):
    run = subprocess.run(["cargo", command, "--locked", "--message-format=json", *what], cwd=ROOT, text=True,
                         stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    return pathlib.Path(next(message["executable"] for message in messages
                             if message.get("executable") and message["target"]["name"] == what[-1]))
