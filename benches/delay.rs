//! A TCP proxy on loopback that makes a far server of a near one, for `benches/sftp.py`: every byte is held back for half
//! a round trip on each of its two ways, and nothing else is limited.
//!
//! usage: delay ADDRESS ROUND_TRIP_MS
//!
//! Writes the port that it listens on as its first line and ends when its standard input does. A connection begins a
//! round trip late, which is what the handshake of TCP takes on the way that is imitated.
//!
//! It shares the cores with those that are measured, so it spends little: one thread for all (tokio's timer counts whole
//! milliseconds), a look at what flows every [`GRAIN`] and not at every packet, and bytes that lie in a pipe, where the
//! kernel moves pages and copies none.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What may be under way at once on each way of each connection: more than any window of SSH. The first is for root.
const HELD_BYTES: [usize; 2] = [16 << 20, 1 << 20];
/// How late what flows may be taken in; what comes after a silence is taken in at once.
const GRAIN: Duration = Duration::from_millis(1);

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, round_trip_ms] = arguments.as_slice() else {
        return Err("usage: delay ADDRESS ROUND_TRIP_MS".to_owned());
    };
    let round_trip =
        round_trip_ms.parse().map(Duration::from_millis).map_err(|_| format!("{round_trip_ms} are no ms"))?;
    std::thread::spawn(|| {
        let ended = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(ended.is_err().into());
    });
    serve(address, round_trip).map_err(|error| error.to_string())
}

/// Passes on what comes, until the process is ended.
fn serve(address: &str, round_trip: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    let mut coming: VecDeque<(Instant, TcpStream)> = VecDeque::new();
    let mut ways: Vec<Way> = Vec::new();
    loop {
        let now = Instant::now();
        match listener.accept() {
            Ok((near, _)) => coming.push_back((now + round_trip, near)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while coming.front().is_some_and(|(due, _)| *due <= now) {
            // A far end that cannot be reached closes the near one.
            let joined = coming.pop_front().map(|(_, near)| join(near, address));
            ways.extend(joined.into_iter().flatten().flatten());
        }
        ways.retain_mut(|way| way.pass(now, round_trip / 2));
        let dues = ways.iter().filter_map(|way| Some(way.due.front()?.0)).chain(coming.front().map(|(due, _)| *due));
        let looked_next = now + GRAIN;
        let until = dues.map(|due| if due > now { due.min(looked_next) } else { looked_next }).min();
        wait(&listener, &ways, until)?;
    }
}

/// Waits until then, or, where nothing is under way, until something comes.
fn wait(listener: &TcpListener, ways: &[Way], until: Option<Instant>) -> io::Result<()> {
    let Some(until) = until else {
        let open = ways.iter().filter(|way| !way.ended).map(|way| PollFd::new(&*way.from, PollFlags::IN));
        let mut asked: Vec<_> = open.chain([PollFd::new(listener, PollFlags::IN)]).collect();
        poll(&mut asked, None::<&Timespec>)?;
        return Ok(());
    };
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    Ok(())
}

/// Both ways between the two ends.
fn join(near: TcpStream, address: &str) -> io::Result<[Way; 2]> {
    let far = TcpStream::connect(address)?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
        end.set_nonblocking(true)?;
    }
    let (near, far) = (Rc::new(near), Rc::new(far));
    Ok([Way::new(near.clone(), far.clone())?, Way::new(far, near)?])
}

/// What is under way in one direction.
struct Way {
    from: Rc<TcpStream>,
    to: Rc<TcpStream>,
    /// The bytes, in a pipe: where they are read, and where they are written.
    held: (OwnedFd, OwnedFd),
    /// When so many of them are due, the oldest first.
    due: VecDeque<(Instant, usize)>,
    ended: bool,
}

impl Way {
    fn new(from: Rc<TcpStream>, to: Rc<TcpStream>) -> io::Result<Self> {
        let held = pipe_with(PipeFlags::NONBLOCK)?;
        let _ = HELD_BYTES.iter().find(|bytes| fcntl_setpipe_size(&held.0, **bytes).is_ok());
        Ok(Self { from, to, held, due: VecDeque::new(), ended: false })
    }

    /// Whether more may come. An end passes through as an end, and a lost end as a lost one: nobody waits for what cannot
    /// come.
    fn pass(&mut self, now: Instant, delay: Duration) -> bool {
        let passed = self.hand_on(now).and_then(|()| if self.ended { Ok(()) } else { self.take_in(now + delay) });
        // One of the ends may be lost already.
        let _ = match passed {
            Ok(()) if !self.ended || !self.due.is_empty() => return true,
            Ok(()) => self.to.shutdown(Shutdown::Write),
            Err(_) => self.from.shutdown(Shutdown::Both).or(Ok(())).and_then(|()| self.to.shutdown(Shutdown::Both)),
        };
        false
    }

    fn hand_on(&mut self, now: Instant) -> rustix::io::Result<()> {
        while let Some((_, bytes)) = self.due.front_mut().filter(|(due, _)| *due <= now) {
            match splice(&self.held.0, None, &*self.to, None, *bytes, SpliceFlags::NONBLOCK) {
                Ok(handed) => *bytes -= handed,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error),
            }
            if *bytes == 0 {
                self.due.pop_front();
            }
        }
        Ok(())
    }

    fn take_in(&mut self, due: Instant) -> rustix::io::Result<()> {
        match splice(&*self.from, None, &self.held.1, None, HELD_BYTES[0], SpliceFlags::NONBLOCK) {
            Ok(0) => self.ended = true,
            Ok(bytes) => self.due.push_back((due, bytes)),
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
