//! The floor: a server that does the unavoidable work of each job and nothing else.
//! Prints its port, a token of each kind and an API key, then serves until it is killed.
#![expect(clippy::print_stdout, reason = "whoever starts it reads where it is")]

mod keys;
mod sealer;
mod work;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use work::Work;

/// The same as Countersign's: what it saves is no merit of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let work = Arc::new(Work::new()?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    println!("{}", work.token()?);
    println!("{}", work.opaque_token()?);
    println!("{}", work.api_key());
    tokio::task::LocalSet::new()
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let work = Arc::clone(&work);
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&work), request));
                    // Whoever hangs up is done.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        })
        .await
}

async fn answer(work: Arc<Work>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let token = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Ok(body) = body.collect().await.map(Collected::to_bytes) else { return Ok(refused(StatusCode::BAD_REQUEST)) };
    let found = match (parts.uri.path(), token) {
        _ if parts.method == Method::GET => token.and_then(|token| work.users(token)),
        ("/keys/verify", token) => token.and_then(|token| work.verify_key(token, &body)),
        (path, _) => work.answer(path, &body),
    };
    Ok(found.map_or_else(|| refused(StatusCode::UNAUTHORIZED), accepted))
}

fn accepted(json: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(json.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
