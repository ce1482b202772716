//! Connects and signs in by a destination's settings.

use std::time::{Duration, Instant};

use super::SftpTarget;
use super::error::{no_credentials, not_connected, unreached};
use crate::deliver::Verdict;
use crate::deliver::probe::{DoctorReport, DoctorStep};
use crate::fault::{self, Injected};
use crate::settings::Sftp;
use crate::sftp::{Client, Options};
use crate::ssh::{self, Channel, Observer, Scan, Trust};

/// Time since its last use for which a session without pending input counts as alive. Dead connections are silent too.
const ALIVE_AFTER_USE: Duration = Duration::from_secs(5);

/// Bytes per session: what a slow disk writes within the timeout; for one session 2 MiB/s are enough for the usual 30 s.
const FSYNC_EVERY_BYTES: u64 = 64 << 20;

impl SftpTarget<Channel> {
    /// Connects and signs in.
    pub fn connect(sftp: &Sftp) -> Result<Self, Verdict> {
        let connected = fault::step("sftp.connect", || Ok(connect(sftp, None)));
        connected.unwrap_or_else(|injected: Injected| Err(unreached(format!("connect: {injected}"))))
    }

    /// Returns true if the server still responds and is still trusted. A session that was used just now is not probed: a
    /// disconnect since then is pending input.
    pub fn is_good(&mut self, sftp: &Sftp, idle: Duration) -> bool {
        let host_key = self.client.transport.host_key();
        if !Trust::read(&sftp.host_keys(), &sftp.endpoint()).is_ok_and(|trust| trust.permits(host_key)) {
            return false;
        }
        if idle < ALIVE_AFTER_USE && !self.client.transport.has_pending_input() {
            return true;
        }
        let timeout = sftp.timeouts.connect;
        let asked = |client: &mut Client<Channel>| client.with_timeout(timeout, |client| client.realpath("."));
        // A refusal is a response too.
        !matches!(self.client.doing("ask", ".", asked), Err(error) if error.is_lost())
    }

    /// Closes the session cleanly.
    pub fn close(mut self) {
        if !self.client.is_closed() {
            self.client.transport.shutdown();
        }
    }
}

/// Connects as a delivery does, and adds each step to `report`.
pub(super) fn connect(sftp: &Sftp, mut report: Option<&mut DoctorReport>) -> Result<SftpTarget<Channel>, Verdict> {
    let login = sftp.login().map_err(|error| no_credentials(&error))?;
    let failed = |error| not_connected(&error, sftp);
    let mut observer = report.as_deref_mut().map(|report| DoctorObserver { report, sftp });
    let observer = observer.as_mut().map(|observer| observer as &mut dyn Observer);
    let signed_in = ssh::connect(&login, observer).map_err(failed)?;
    let address = sftp.endpoint().to_string();
    let began = Instant::now();
    let started = signed_in.start_sftp().map_err(failed).and_then(|channel| {
        Client::start(channel, options(sftp)).map_err(|error| unreached(format!("start SFTP with {address}: {error}")))
    });
    if let Some(report) = report {
        report.record(match &started {
            Ok(client) => {
                let step = DoctorStep::done("sftp", began.elapsed(), "version 3");
                let step = step.with("extensions", client.extensions.describe());
                client.printed.iter().fold(step, |step, text| step.with("text before SFTP, skipped", text))
            }
            Err(verdict) => DoctorStep::failed("sftp", began.elapsed(), verdict),
        });
    }
    let client = started?;
    let host_key = client.transport.host_key().fingerprint.clone();
    Ok(SftpTarget::new(client, address, Some(host_key), sftp.verify))
}

pub(super) fn options(sftp: &Sftp) -> Options {
    Options {
        write_bytes: sftp.write_bytes.max(1) as usize,
        in_flight: sftp.in_flight.max(1) as usize,
        fsync_every_bytes: sftp.fsync.then_some(FSYNC_EVERY_BYTES),
        timeout: sftp.timeouts.idle,
        slow_timeout: sftp.timeouts.rename,
    }
}

/// Requests a server's host keys, without signing in.
pub fn scan(sftp: &Sftp) -> Result<Scan, Verdict> {
    let server = sftp.server().map_err(|error| no_credentials(&error))?;
    ssh::scan(&server).map_err(|error| not_connected(&error, sftp))
}

/// Adds the steps of a connection to doctor's report.
struct DoctorObserver<'a> {
    report: &'a mut DoctorReport,
    sftp: &'a Sftp,
}

impl Observer for DoctorObserver<'_> {
    fn step(&mut self, ssh::ConnectStep { name, took, outcome }: ssh::ConnectStep<'_>) {
        self.report.record(match outcome {
            Ok(found) => found
                .details
                .into_iter()
                .fold(DoctorStep::done(name, took, found.summary), |step, (what, value)| step.with(&what, value)),
            Err(error) => DoctorStep::failed(name, took, &not_connected(error, self.sftp)),
        });
    }
}
