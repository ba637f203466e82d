//! The listener: turns HTTP into `Call` and `Outcome` into HTTP. It owns the one thing that a framework
//! does not offer, closing a connection without an answer or in the middle of one, by a switch inside of
//! the socket itself. A request must never bring the program down: every failure becomes a 500.

use crate::router;
use crate::wire::{Call, Headers, Outcome, Reply};
use crate::world::Shared;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::serve::{IncomingStream, Listener};
use http_body::Frame;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// The largest body that is read at all; services have their own, smaller limits.
const READ_LIMIT: usize = 16 * 1024 * 1024;

/// How long a cut answer's first part gets to reach the client before the connection closes.
const CUT_DELAY: Duration = Duration::from_millis(40);

/// The switch that cuts one connection.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<AtomicBool>);

/// A connection that can be cut.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    cut: Cut,
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.cut.0.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts connections that can be cut.
#[derive(Debug)]
pub struct Door(TcpListener);

impl Listener for Door {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Without this, small answers wait for acknowledgements and tests measure that.
                    let _ = stream.set_nodelay(true);
                    return (Socket { stream, cut: Cut::default() }, address);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().cut.clone()
    }
}

/// A body that promises more than it sends.
struct CutBody {
    first: Option<Bytes>,
    pause: Pin<Box<Sleep>>,
}

impl http_body::Body for CutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        match self.pause.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Poll::Pending => Poll::Pending,
        }
    }
}

async fn read(request: Request) -> Result<Call, Reply> {
    let (parts, body) = request.into_parts();
    let mut headers = Headers::default();
    for (name, value) in &parts.headers {
        let value = value.to_str().map_err(|_| Reply::text(400, "text/plain", "a header is not text"))?;
        headers.push(name.as_str(), value);
    }
    let body = axum::body::to_bytes(body, READ_LIMIT).await;
    let body = body.map_err(|_| Reply::text(413, "text/plain", "the body is too large"))?;
    Ok(Call {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.to_vec(),
    })
}

fn response(reply: Reply, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    match StatusCode::from_u16(reply.status) {
        Ok(status) => *response.status_mut() = status,
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    for (name, value) in reply.headers.0 {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

async fn handle(
    State(shared): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let outcome = match read(request).await {
        Ok(call) => router::serve(&shared, call).await,
        Err(reply) => Outcome::Reply(reply),
    };
    match outcome {
        Outcome::Reply(mut reply) => {
            let body = Body::from(std::mem::take(&mut reply.body));
            response(reply, body)
        }
        Outcome::Drop => {
            cut.0.store(true, Ordering::SeqCst);
            Response::new(Body::empty())
        }
        Outcome::Truncate(mut reply, length) => {
            let whole = Bytes::from(std::mem::take(&mut reply.body));
            let first = whole.slice(..length.min(whole.len()));
            reply.headers.set("content-length", whole.len().to_string());
            let pause = Box::pin(tokio::time::sleep(CUT_DELAY));
            response(reply, Body::new(CutBody { first: Some(first), pause }))
        }
    }
}

/// Serves requests until the runtime ends.
pub async fn serve(listener: std::net::TcpListener, shared: Shared) -> io::Result<()> {
    let door = Door(TcpListener::from_std(listener)?);
    let app = Router::new().fallback(handle).with_state(shared);
    axum::serve(door, app.into_make_service_with_connect_info::<Cut>()).await
}
