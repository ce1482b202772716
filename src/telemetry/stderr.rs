//! Standard error, written by a thread of its own: one that cannot be written costs lines, and nothing else.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that wait for a slow reader. More are lost.
const QUEUE_BYTES_MAX: usize = 8 << 20;
/// The end of the process waits this long for a reader that does not read.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The texts that wait for the thread.
#[derive(Default)]
struct Queue {
    texts: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread is writing a text that it has taken from the queue.
    writing: bool,
    /// Texts that were written or lost, to notice progress.
    done: u64,
    lost: u64,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static SHARED: OnceLock<&'static Shared> = OnceLock::new();

/// Returns the queue. The first call starts the thread.
fn shared() -> &'static Shared {
    SHARED.get_or_init(|| {
        let shared: &'static Shared = Box::leak(Box::default());
        // Without the thread everything is lost, and nothing else happens.
        let _ = std::thread::Builder::new().name("stderr".into()).spawn(|| write_all(shared));
        shared
    })
}

/// Writes one text, soon. Never blocks, and never fails.
pub(super) fn write(text: Vec<u8>) {
    let shared = shared();
    let mut queue = shared.queue();
    if queue.bytes + text.len() > QUEUE_BYTES_MAX {
        queue.lost += 1;
        return;
    }
    queue.bytes += text.len();
    queue.texts.push_back(text);
    shared.changed.notify_all();
}

/// Returns how many texts were lost so far.
pub fn lost() -> u64 {
    SHARED.get().map_or(0, |shared| shared.queue().lost)
}

/// Waits until everything is written, or nothing was for a second.
pub fn flush() {
    let Some(shared) = SHARED.get() else { return };
    let mut queue = shared.queue();
    let (mut done, mut until) = (queue.done, Instant::now() + IDLE_MAX);
    while queue.writing || !queue.texts.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        queue = shared.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        if queue.done != done {
            (done, until) = (queue.done, Instant::now() + IDLE_MAX);
        }
    }
}

fn write_all(shared: &Shared) {
    // Not by the standard library's handle: whoever waits for its lock would wait for the reader too.
    let Ok(descriptor) = io::stderr().as_fd().try_clone_to_owned() else { return };
    let mut stderr = File::from(descriptor);
    let (mut reported, mut cut_off) = (0, false);
    loop {
        let text = {
            let mut queue = shared.queue();
            loop {
                if let Some(text) = queue.texts.pop_front() {
                    queue.bytes -= text.len();
                    queue.writing = true;
                    break text;
                }
                queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let written = write_text(&mut stderr, &text, &mut cut_off);
        let lost = {
            let mut queue = shared.queue();
            queue.lost += u64::from(written.is_err());
            (queue.writing, queue.done) = (false, queue.done + 1);
            shared.changed.notify_all();
            queue.lost
        };
        if written.is_ok() && lost > reported {
            let lines = lost - reported;
            reported = lost;
            tracing::warn!(lines, "log lines lost: standard error could not be written");
        }
    }
}

/// Writes one text, on a line of its own after one that was cut off.
fn write_text(stderr: &mut File, text: &[u8], cut_off: &mut bool) -> io::Result<()> {
    if *cut_off {
        write_bytes(stderr, b"\n", &mut false)?;
        *cut_off = false;
    }
    write_bytes(stderr, text, cut_off)
}

fn write_bytes(stderr: &mut File, mut bytes: &[u8], cut_off: &mut bool) -> io::Result<()> {
    while !bytes.is_empty() {
        match stderr.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares it made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut writable = [rustix::event::PollFd::new(&*stderr, rustix::event::PollFlags::OUT)];
                rustix::event::poll(&mut writable, None)?;
            }
            Err(error) => return Err(error),
        }
        *cut_off = !bytes.is_empty();
    }
    Ok(())
}
