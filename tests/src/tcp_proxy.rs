//! A TCP proxy that a test turns against its clients: it cuts connections, stalls them, or talks nonsense.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A running proxy. It stops when dropped.
pub struct TcpProxy {
    address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    accepted: Arc<AtomicU64>,
    stop: CancellationToken,
    _accepting: JoinHandle<()>,
}

/// What connections go through at the moment.
#[derive(Debug, Clone, Default)]
struct Weather {
    stalled: bool,
    /// Connections that were made in an earlier era are cut.
    era: u64,
    /// How often nonsense was told, and what the last was.
    nonsense: (u64, Vec<u8>),
}

impl TcpProxy {
    /// A proxy in front of `host:port` that only passes on.
    pub async fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::new(watch::Sender::new(Weather::default()));
        let stop = CancellationToken::new();
        let accepted = Arc::<AtomicU64>::default();
        let connections = Connections {
            upstream,
            weather: Arc::clone(&weather),
            accepted: Arc::clone(&accepted),
            stop: stop.clone(),
        };
        let accepting = tokio::spawn(connections.accept(listener));
        Self {
            address,
            weather,
            accepted,
            stop,
            _accepting: accepting,
        }
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Ends all connections; new ones are accepted.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.era += 1);
    }

    /// From now on nothing arrives any more, on old connections and new ones, and nothing ends.
    pub fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalled = true);
    }

    /// New connections work again; those that were stalled are cut.
    pub fn clear(&self) {
        self.weather.send_modify(|weather| {
            weather.stalled = false;
            weather.era += 1;
        });
    }

    /// Sends these bytes to every client, in between what the server says.
    pub fn tell_clients(&self, nonsense: &[u8]) {
        self.weather
            .send_modify(|weather| weather.nonsense = (weather.nonsense.0 + 1, nonsense.to_vec()));
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What every connection is made with.
struct Connections {
    upstream: String,
    weather: Arc<watch::Sender<Weather>>,
    accepted: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Connections {
    async fn accept(self, listener: TcpListener) {
        let running = TaskTracker::new();
        while let Some(Ok((client, _))) = self.stop.run_until_cancelled(listener.accept()).await {
            self.accepted.fetch_add(1, Ordering::Relaxed);
            let (upstream, weather, stop) = (self.upstream.clone(), self.weather.subscribe(), self.stop.clone());
            running.spawn(async move { stop.run_until_cancelled(pass_on(client, upstream, weather)).await });
        }
        running.close();
        running.wait().await;
    }
}

/// Passes on until one side ends or the connection is cut.
async fn pass_on(client: TcpStream, upstream: String, mut weather: watch::Receiver<Weather>) {
    let Weather {
        era,
        nonsense: (mut told, _),
        ..
    } = weather.borrow().clone();
    let Ok(server) = TcpStream::connect(&upstream).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut upward, mut downward) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let stalled = weather.borrow().stalled;
        let alive = tokio::select! {
            changed = weather.changed() => {
                let now = weather.borrow_and_update().clone();
                if changed.is_err() || now.era != era {
                    return;
                }
                let silent = now.nonsense.0 == told;
                told = now.nonsense.0;
                silent || to_client.write_all(&now.nonsense.1).await.is_ok()
            }
            read = from_client.read(&mut upward), if !stalled => pass(read, &upward, &mut to_server).await,
            read = from_server.read(&mut downward), if !stalled => pass(read, &downward, &mut to_client).await,
        };
        if !alive {
            return;
        }
    }
}

/// False at the end of the stream.
async fn pass(read: std::io::Result<usize>, buffer: &[u8], to: &mut OwnedWriteHalf) -> bool {
    matches!(read, Ok(length) if length > 0 && to.write_all(&buffer[..length]).await.is_ok())
}
