//! The server's end of a line that no operating system carries: a simulated network puts in and takes out.
//!
//! In: bytes that have arrived, how many more the line takes, and how it ends. Out: what the server wrote, and whether
//! it has let go. To the server it is a socket that never waits. Knows nothing of delays or of time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A line, as both sides of it see it: the network's side.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Which line of the network's.
    line: u32,
    peer: Option<SocketAddr>,
    state: Mutex<State>,
    used: Arc<Used>,
}

/// The lines whose server's end has done something that the network has not looked at.
#[derive(Debug, Default)]
pub(crate) struct Used(Mutex<Vec<u32>>);

/// How what the peer sends comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It will send nothing more.
    Closed,
    /// The line is broken.
    Reset,
}

/// What the server has done since it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    /// It will write nothing more.
    pub(crate) is_over: bool,
    /// It reads no more either.
    pub(crate) is_gone: bool,
}

#[derive(Debug, Default)]
struct State {
    /// What has arrived and was not read.
    inbox: VecDeque<u8>,
    end: Option<End>,
    outbox: Vec<u8>,
    /// How many bytes more the line takes.
    free_bytes: usize,
    /// A write found no place.
    is_waiting: bool,
    is_over: bool,
    is_gone: bool,
    /// By which number the shard watches it.
    token: Option<usize>,
    is_noted: bool,
}

impl Pipe {
    /// A line that takes so many bytes until [`free`](Pipe::free) makes place. `peer`: the other end's address.
    pub(crate) fn new(line: u32, free_bytes: usize, peer: Option<SocketAddr>, used: Arc<Used>) -> Arc<Pipe> {
        Arc::new(Pipe { line, peer, state: Mutex::new(State { free_bytes, ..State::default() }), used })
    }

    /// The server's end, of which there is one.
    pub(crate) fn end(self: &Arc<Pipe>) -> PipeEnd {
        PipeEnd(self.clone())
    }

    /// Bytes have arrived.
    pub(crate) fn arrive(&self, bytes: &[u8]) {
        self.lock().inbox.extend(bytes);
    }

    /// Nothing more will arrive.
    pub(crate) fn finish(&self, end: End) {
        let mut state = self.lock();
        if state.end != Some(End::Reset) {
            state.end = Some(end);
        }
    }

    /// The line takes so many bytes more. Gives whether somebody waits for that.
    pub(crate) fn free(&self, count: usize) -> bool {
        let mut state = self.lock();
        state.free_bytes += count;
        count > 0 && std::mem::take(&mut state.is_waiting)
    }

    /// Takes what the server wrote.
    pub(crate) fn take(&self) -> Written {
        let mut state = self.lock();
        state.is_noted = false;
        Written {
            bytes: std::mem::take(&mut state.outbox),
            is_over: state.is_over || state.is_gone,
            is_gone: state.is_gone,
        }
    }

    /// By which number the shard watches it; `None`: not now.
    pub(crate) fn token(&self) -> Option<usize> {
        self.lock().token
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, state: &mut State) {
        if !std::mem::replace(&mut state.is_noted, true) {
            self.used.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.line);
        }
    }
}

impl Used {
    /// Takes the list, each line once, in the order of what happened.
    pub(crate) fn take(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The server's end. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct PipeEnd(Arc<Pipe>);

impl PipeEnd {
    /// # Errors
    /// `WouldBlock`: nothing has arrived. `ConnectionReset`.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.inbox.is_empty() {
            return match state.end {
                None => Err(ErrorKind::WouldBlock.into()),
                Some(End::Closed) => Ok(0),
                Some(End::Reset) => Err(ErrorKind::ConnectionReset.into()),
            };
        }
        let count = buffer.len().min(state.inbox.len());
        for (place, byte) in buffer.iter_mut().zip(state.inbox.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    /// # Errors
    /// `WouldBlock`: the line takes nothing now. `BrokenPipe`.
    pub(super) fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.end == Some(End::Reset) || state.is_over {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut taken = 0;
        for slice in slices {
            let count = slice.len().min(state.free_bytes);
            state.outbox.extend_from_slice(&slice[..count]);
            state.free_bytes -= count;
            taken += count;
            if count < slice.len() {
                state.is_waiting = true;
                break;
            }
        }
        if taken > 0 {
            self.0.note(&mut state);
        } else if state.is_waiting {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    pub(super) fn shutdown(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        self.0.note(&mut state);
    }

    pub(super) fn watch(&self, token: Option<usize>) {
        self.0.lock().token = token;
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer.ok_or_else(|| ErrorKind::AddrNotAvailable.into())
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_gone = true;
        state.token = None;
        self.0.note(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_what_it_has_place_for_and_says_when_there_is_more() {
        let used = Arc::new(Used::default());
        let pipe = Pipe::new(7, 3, None, used.clone());
        let end = pipe.end();
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(end.send(&slices).unwrap(), 3);
        assert_eq!(end.send(&slices[1..]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!((used.take(), pipe.take().bytes), (vec![7], b"abc".to_vec()));
        assert!(pipe.free(1) && !pipe.free(1), "it waited for the first of them");
        assert_eq!(end.send(&slices[1..]).unwrap(), 2);
    }

    #[test]
    fn what_has_arrived_is_read_before_the_end() {
        let pipe = Pipe::new(0, 0, None, Arc::default());
        let end = pipe.end();
        let mut buffer = [0; 2];
        assert_eq!(end.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        pipe.arrive(b"abc");
        pipe.finish(End::Reset);
        pipe.finish(End::Closed);
        assert_eq!((end.read(&mut buffer).unwrap(), buffer), (2, *b"ab"));
        assert_eq!((end.read(&mut buffer).unwrap(), buffer[0]), (1, b'c'));
        assert_eq!(end.read(&mut buffer).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(end.send(&[IoSlice::new(b"x")]).unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(end);
        assert!(pipe.take().is_gone);
    }
}
