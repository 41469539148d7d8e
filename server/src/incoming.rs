//! Connections, a bounded number of them, each set up within a bounded time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::config::ServeConfig;
use crate::door::ConnectionInfo;
use crate::metrics::{Held, Metrics};
use crate::tokens::Kept;

/// How long accepting rests after an error that is not the peer's: out of file
/// descriptors, for one, lasts until a connection closes.
const REST: Duration = Duration::from_millis(50);

/// How many bytes a client of HTTP/2 sends first of all.
const PREFACE: usize = 24;

/// How connections are accepted.
pub(crate) struct Incoming {
    /// How they are encrypted; `None`: they are not.
    pub(crate) tls: Option<Arc<Kept<Arc<rustls::ServerConfig>>>>,
    /// When they are cut.
    pub(crate) cut: CancellationToken,
    /// What is counted.
    pub(crate) metrics: Metrics,
}

/// Accepts connections until the receiving end is dropped, at most
/// `config.max_connections` open at once; the rest wait in the listener's backlog.
/// One that is not set up within `config.handshake_timeout` is closed.
pub(crate) fn accept(
    listener: TcpListener,
    config: &ServeConfig,
    incoming: Incoming,
) -> ReceiverStream<io::Result<Connection>> {
    let (out, connections) = mpsc::channel(16);
    let (most, calls, patience) =
        (config.max_connections, config.max_calls_per_connection, config.handshake_timeout);
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(most));
        tokio::select! {
            () = out.closed() => {}
            () = accept_all(&listener, room, calls, patience, &incoming, &out) => {}
        }
    });
    ReceiverStream::new(connections)
}

async fn accept_all(
    listener: &TcpListener,
    room: Arc<Semaphore>,
    calls: usize,
    patience: Duration,
    incoming: &Incoming,
    out: &mpsc::Sender<io::Result<Connection>>,
) {
    // The semaphore is never closed.
    while let Ok(place) = room.clone().acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                let peers = matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::Interrupted
                );
                if !peers {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(REST).await;
                }
                continue;
            }
        };
        // Answers are small and waited for; a socket that refuses the option still works.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection goes on without TCP_NODELAY");
        }
        let metrics = incoming.metrics.clone();
        let held = metrics.connection();
        let cut = Box::pin(incoming.cut.clone().cancelled_owned());
        let until = Instant::now() + patience;
        let info = ConnectionInfo { peer: Some(peer), calls: Arc::new(Semaphore::new(calls)) };
        let connection = move |stream| Connection {
            stream,
            cut,
            fresh: Some(Fresh { late: Box::pin(tokio::time::sleep_until(until)), read: 0, metrics }),
            info,
            _kept: Box::new((place, held)),
        };
        match &incoming.tls {
            None => {
                if out.send(Ok(connection(Io::Plain(stream)))).await.is_err() {
                    return;
                }
            }
            Some(tls) => {
                let (acceptor, out, metrics) =
                    (TlsAcceptor::from(Arc::clone(&*tls.get())), out.clone(), incoming.metrics.clone());
                // A slow one holds up no other.
                tokio::spawn(async move {
                    match tokio::time::timeout_at(until, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            // Without anybody to take it, the server is stopping.
                            let _ = out.send(Ok(connection(Io::Tls(Box::new(stream))))).await;
                        }
                        Ok(Err(error)) => {
                            metrics.handshake_failed();
                            tracing::debug!(%error, "a connection came to no TLS");
                        }
                        Err(_) => metrics.handshake_failed(),
                    }
                });
            }
        }
    }
}

/// What a connection goes over.
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that has not said yet that it speaks HTTP/2.
struct Fresh {
    late: Pin<Box<Sleep>>,
    /// How many bytes were read.
    read: usize,
    metrics: Metrics,
}

/// A connection that holds its place among those that may be open.
pub(crate) struct Connection {
    stream: Io,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// `None` once it has said what it speaks.
    fresh: Option<Fresh>,
    info: ConnectionInfo,
    _kept: Box<(tokio::sync::OwnedSemaphorePermit, Held)>,
}

impl Connection {
    /// Registers for the cut, and fails once it has come.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server has shut down"))
            }
            Poll::Pending => Ok(()),
        }
    }

    fn stream(&mut self) -> Pin<&mut dyn Duplex> {
        match &mut self.stream {
            Io::Plain(stream) => Pin::new(stream),
            Io::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }
}

/// Both ways.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Connected for Connection {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        let before = buffer.filled().len();
        let read = self.stream().poll_read(context, buffer);
        let Some(fresh) = &mut self.fresh else { return read };
        fresh.read += buffer.filled().len() - before;
        if fresh.read >= PREFACE {
            self.fresh = None;
        } else if read.is_pending() && fresh.late.as_mut().poll(context).is_ready() {
            fresh.metrics.handshake_failed();
            let late = io::Error::new(io::ErrorKind::TimedOut, "the client says nothing");
            return Poll::Ready(Err(late));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        self.stream().poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

/// Listens on `address`.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{address} is in use: another server listens there; stop it or choose another port"
            )
        }
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("{address} may not be listened on ({error}); choose a port above 1023")
        }
        _ => anyhow::anyhow!("{address} cannot be listened on: {error}"),
    })
}
