//! A client that offers permessage-deflate, and what it sends.

use std::io::{Read, Write};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::Host;
use super::raw::{frame, read_frame, tcp, upgrade};

/// What browsers offer.
pub const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// A client that offers permessage-deflate and keeps its context, as browsers do.
pub struct Deflating<S = std::net::TcpStream> {
    pub stream: S,
    context: Decompress,
    /// The extension as it was agreed on, `None` when it was declined.
    pub agreed: Option<String>,
}

/// One frame of the server's: whether it was compressed, its length on the wire, and its payload.
#[derive(Debug)]
pub struct Frame {
    pub is_compressed: bool,
    pub wire_len: usize,
    pub payload: Vec<u8>,
}

impl Deflating {
    pub fn connect(host: &Host, target: &str, offer: &str) -> Deflating {
        Deflating::over(tcp(host), target, offer)
    }
}

impl<S: Read + Write> Deflating<S> {
    pub fn over(mut stream: S, target: &str, offer: &str) -> Deflating<S> {
        let answer = upgrade(&mut stream, target, &format!("Sec-WebSocket-Extensions: {offer}\r\n"));
        let agreed = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        Deflating { stream, context: Decompress::new(false), agreed: agreed.map(str::to_owned) }
    }

    pub fn send(&mut self, first: u8, payload: &[u8]) {
        self.stream.write_all(&frame(first, payload)).unwrap();
    }

    pub fn frame(&mut self) -> Frame {
        let (first, mut payload) = read_frame(&mut self.stream).unwrap();
        let (is_compressed, wire_len) = (first & 0x40 != 0, payload.len());
        if is_compressed {
            payload.extend_from_slice(&[0, 0, 0xff, 0xff]);
            let mut out = Vec::with_capacity(1 << 20);
            self.context.decompress_vec(&payload, &mut out, FlushDecompress::Sync).unwrap();
            payload = out;
        }
        Frame { is_compressed, wire_len, payload }
    }

    /// The next text, and whether it was compressed.
    pub fn hear(&mut self) -> (String, bool) {
        let frame = self.frame();
        (String::from_utf8(frame.payload).unwrap(), frame.is_compressed)
    }
}

/// A message as a client compresses it, alone.
pub fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    Compress::new(Compression::fast(), false).compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}
