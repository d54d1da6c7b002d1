//! A line between a client and an engine that the test can cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

struct State {
    to: Option<SocketAddr>,
    copies: Vec<JoinHandle<()>>,
    count: usize,
}

impl Line {
    pub(crate) async fn to(to: SocketAddr) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { to: Some(to), copies: Vec::new(), count: 0 }));
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                // One that comes while the line is down is closed at once.
                let mut state = shared.lock().unwrap();
                let Some(to) = state.to else { continue };
                state.count += 1;
                state.copies.push(tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                }));
            }
        });
        Line { address, state, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// What is under way is lost.
    pub(crate) fn cut(&self) {
        self.state.lock().unwrap().copies.drain(..).for_each(|copy| copy.abort());
    }

    /// Nobody gets through from here on, until it leads somewhere.
    pub(crate) fn down(&self) {
        self.state.lock().unwrap().to = None;
        self.cut();
    }

    pub(crate) fn up(&self, to: SocketAddr) {
        self.state.lock().unwrap().to = Some(to);
    }

    /// How many connections it has carried.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().count
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}
