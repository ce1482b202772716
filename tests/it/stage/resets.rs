//! A line that is reset: a proxy that lets so many bytes through and then ends both connections with a RST.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Which bytes are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum From {
    Client,
    Server,
}

/// The proxy; it ends when dropped.
pub(crate) struct Resets {
    pub port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Resets {
    /// Each connection is reset as soon as `limit` bytes of that side's have been passed on, if it comes to that.
    pub(crate) fn start(server: u16, from: From, limit: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
                tokio::spawn(carry(client, server, from, limit));
            }
        });
        Resets { port, _runtime: runtime }
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, from: From, limit: u64) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let room = |side: From| if side == from { limit } else { u64::MAX };
    let (mut client_in, mut client_out) = client.split();
    let (mut server_in, mut server_out) = server.split();
    // Whichever side ends first ends both: by reaching its limit, or in peace.
    let is_over_limit = tokio::select! {
        over = pass(&mut client_in, &mut server_out, room(From::Client)) => over?,
        over = pass(&mut server_in, &mut client_out, room(From::Server)) => over?,
    };
    if is_over_limit {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// Passes bytes on until there are no more (`false`) or `limit` is reached (`true`).
async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    limit: u64,
) -> io::Result<bool> {
    let (mut block, mut left) = (vec![0; 16 * 1024], limit);
    loop {
        if left == 0 {
            return Ok(true);
        }
        let most = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = from.read(&mut block[..most]).await?;
        if read == 0 {
            return Ok(false);
        }
        to.write_all(&block[..read]).await?;
        left -= read as u64;
    }
}
