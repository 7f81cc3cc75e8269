//! Requests to servers on this machine, timed; and a metric of their `/metrics`.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, StatusCode, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::Instant;

/// An answer and how long it took.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: String,
    /// From the request to the last byte of the body.
    pub elapsed: Duration,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// GETs a path from a server on this machine.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(Method::GET, &format!("http://{address}{path}")).await
}

/// PUTs nothing to a URL.
pub async fn put(url: &str) -> Answer {
    ask(Method::PUT, url).await
}

/// A metric of a service's `/metrics` that is a whole number, all its labels together; 0 before it was first counted.
pub async fn metric(address: SocketAddr, name: &str) -> u64 {
    let page = get(address, "/metrics").await;
    assert!(page.status.is_success(), "{page:?}");
    let values = page.body.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        (series.split('{').next() == Some(name)).then(|| value.parse::<u64>().unwrap())
    });
    values.sum()
}

async fn ask(method: Method, url: &str) -> Answer {
    let started = Instant::now();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).body(Empty::<Bytes>::new());
    let response = client.request(request.unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        body: String::from_utf8(body.to_vec()).unwrap(),
        elapsed: started.elapsed(),
    }
}
