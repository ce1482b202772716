# syntax=docker/dockerfile:1

# The worker: one binary that needs libc alone, on a base without a shell.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev make perl \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
# The benches stay outside: without their declarations.
RUN sed -i '/^\[\[bench\]\]/,/^$/d' Cargo.toml
COPY src src
COPY pipelines pipelines
RUN cargo build --release --locked --features full --bin reportferry \
 && mkdir -p /layout/var/lib/reportferry /layout/etc/reportferry

FROM gcr.io/distroless/cc-debian12:nonroot AS worker
COPY --from=build /src/target/release/reportferry /usr/local/bin/reportferry
# Owned by the user that runs, so that a new volume mounted here is writable.
COPY --from=build --chown=nonroot:nonroot /layout/var/lib/reportferry /var/lib/reportferry
COPY --chown=nonroot:nonroot reportferry.yaml /etc/reportferry/reportferry.yaml
COPY pipelines /etc/reportferry/pipelines
ENV REPORTFERRY_CONFIG=/etc/reportferry/reportferry.yaml \
    REPORTFERRY_DATA=/var/lib/reportferry
USER nonroot
ENTRYPOINT ["/usr/local/bin/reportferry"]
CMD ["work"]

# An OpenSSH drop to practise on: used by docker-compose.yml alone.
FROM debian:bookworm-slim AS sftp
# The account has no password, but is not locked: sshd lets no locked account in.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends openssh-server \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && useradd --create-home --shell /usr/sbin/nologin acme \
 && usermod --password "*" acme \
 && mkdir -p /run/sshd /srv/drop/inbound /keys
COPY --chmod=755 <<'SCRIPT' /usr/local/bin/serve-drop
#!/bin/sh
# Makes the keys once, in the volume that the worker reads, then serves.
set -eu
[ -f /keys/host ] || ssh-keygen -q -t ed25519 -N '' -f /keys/host
[ -f /keys/client ] || ssh-keygen -q -t ed25519 -N '' -f /keys/client
echo "sftp $(cut -d' ' -f1,2 /keys/host.pub)" > /keys/known_hosts
# 65532 is the worker's user. The folder of the host may be anybody's: the reader's account writes there, and the worker
# beside it.
chown 65532 /keys/client /keys/known_hosts
mkdir -p /srv/drop/inbound/learning /srv/drop/inbound/sessions /srv/drop/inbound/warehouse
chown acme:acme /srv/drop/inbound /srv/drop/inbound/learning /srv/drop/inbound/sessions
chown 65532 /srv/drop/inbound/warehouse
exec /usr/sbin/sshd -D -e -f /etc/ssh/drop_config
SCRIPT
COPY <<'CONFIG' /etc/ssh/drop_config
Port 22
HostKey /keys/host
AuthorizedKeysFile /keys/client.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers acme
ChrootDirectory /srv/drop
ForceCommand internal-sftp
Subsystem sftp internal-sftp
AllowTcpForwarding no
X11Forwarding no
CONFIG
EXPOSE 22
HEALTHCHECK --interval=2s --retries=15 CMD ["test", "-f", "/keys/known_hosts"]
CMD ["/usr/local/bin/serve-drop"]
