//! A TCP proxy on loopback that makes a far server of a near one, for `benches/sftp.py`: every byte is held back for half
//! a round trip on each of its two ways, and nothing else is limited.
//!
//! usage: delay ADDRESS ROUND_TRIP_MS
//!
//! Writes the port that it listens on as its first line and ends when its standard input does. A connection begins a
//! round trip late, which is what the handshake of TCP takes on the way that is imitated. Threads, not tokio, whose
//! timer counts whole milliseconds: two for each way, one that takes bytes in and one that hands them on when due.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What may be under way at once, on each way of each connection: 64 MiB are 2.5 GiB/s at 50 ms, so that windows fill
/// and the proxy is no bottleneck.
const HELD_BYTES_MAX: usize = 64 << 20;
/// What is taken in at once.
const BLOCK_BYTES: usize = 256 << 10;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, round_trip_ms] = arguments.as_slice() else {
        return Err("usage: delay ADDRESS ROUND_TRIP_MS".to_owned());
    };
    let round_trip =
        round_trip_ms.parse().map(Duration::from_millis).map_err(|_| format!("{round_trip_ms} are no ms"))?;
    let told = |error: io::Error| error.to_string();
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(told)?;
    let port = listener.local_addr().map_err(told)?.port();
    writeln!(io::stdout(), "{port}").map_err(told)?;
    let address = address.clone();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let address = address.clone();
            thread::spawn(move || join(near, &address, round_trip));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink()).map_err(told)?;
    Ok(())
}

/// Passes on what comes from either end until both have ended. A far end that cannot be reached closes the near one.
fn join(near: TcpStream, address: &str, round_trip: Duration) -> io::Result<()> {
    thread::sleep(round_trip);
    let far = TcpStream::connect(address)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let back = (far.try_clone()?, near.try_clone()?);
    let returning = thread::spawn(move || one_way(back.0, back.1, round_trip / 2));
    one_way(near, far, round_trip / 2)?;
    returning.join().unwrap_or(Ok(()))
}

fn one_way(from: TcpStream, mut to: TcpStream, delay: Duration) -> io::Result<()> {
    let way = Arc::new(Way::default());
    let taking = {
        let (way, from) = (way.clone(), from.try_clone()?);
        thread::spawn(move || take_in(from, &way, delay))
    };
    let handed = hand_on(&mut to, &way);
    way.lock().given_up = true;
    way.changed.notify_all();
    // The end passes through as an end, and a lost end as a lost one: nobody waits for what cannot come.
    match handed {
        Ok(()) => to.shutdown(Shutdown::Write),
        Err(_) => from.shutdown(Shutdown::Both),
    }
    .ok();
    let _ = taking.join();
    handed
}

/// What is under way in one direction.
#[derive(Default)]
struct Way {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    blocks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    /// No more will come in.
    ended: bool,
    /// No more will be handed on.
    given_up: bool,
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut Held) -> bool) -> MutexGuard<'_, Held> {
        self.changed.wait_while(self.lock(), condition).unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_in(mut from: TcpStream, way: &Way, delay: Duration) {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = from.read(&mut block).unwrap_or(0);
        let due = Instant::now() + delay;
        let mut held = way.wait_while(|held| held.bytes >= HELD_BYTES_MAX && !held.given_up);
        if read == 0 || held.given_up {
            held.ended = true;
            way.changed.notify_all();
            return;
        }
        held.blocks.push_back((due, block[..read].to_vec()));
        held.bytes += read;
        way.changed.notify_all();
    }
}

fn hand_on(to: &mut TcpStream, way: &Way) -> io::Result<()> {
    loop {
        let next = way.wait_while(|held| held.blocks.is_empty() && !held.ended).blocks.pop_front();
        let Some((due, block)) = next else { return Ok(()) };
        thread::sleep(due.saturating_duration_since(Instant::now()));
        to.write_all(&block)?;
        way.lock().bytes -= block.len();
        way.changed.notify_all();
    }
}
