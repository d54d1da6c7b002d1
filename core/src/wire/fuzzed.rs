//! What holds for any bytes whatever: the bodies of the fuzz targets, and of the test that replays their corpora.

use super::deflate::reference::Reference;
use super::deflate::{Deflater, Inflater, negotiate};
use super::differential::compare;
use super::frame::Role;
use super::handshake::{
    HeadScan, HostPolicy, OriginPolicy, Refusal, check_host, check_origin, check_upgrade, parse_request,
    query_value, refusal_response, switching_protocols,
};

/// The first bytes of a connection get one judgement however they are cut, and an answer that is HTTP.
pub(crate) fn handshake(bytes: &[u8]) {
    let found = HeadScan::default().find(bytes);
    let mut scan = HeadScan::default();
    let mut ends = (0..=bytes.len()).map(|end| scan.find(&bytes[..end]));
    assert_eq!(ends.find(|found| *found != Ok(None)).unwrap_or(Ok(None)), found);
    let request = match found {
        Ok(None) => return,
        Ok(Some(len)) => parse_request(&bytes[..len]),
        Err(refusal) => Err(refusal),
    };
    let answer = request.and_then(|request| {
        check_host(&request, &HostPolicy::Loopback { bound: Vec::new() })?;
        check_origin(&request, &OriginPolicy { loopback: true, ..OriginPolicy::default() })?;
        query_value(&request.query, "room").transpose()?;
        let mut upgrade = check_upgrade(&request)?;
        upgrade.deflate = negotiate(&request.all("sec-websocket-extensions").collect::<Vec<_>>())?;
        Ok(switching_protocols(&upgrade, upgrade.protocols.first().map(String::as_str)))
    });
    match answer {
        Ok(answer) => assert_eq!(read_answer(&answer), (101, 0)),
        Err(refusal) => check_refusal(&refusal),
    }
}

fn check_refusal(refusal: &Refusal) {
    let answer = refusal_response(refusal);
    let (status, body_len) = read_answer(&answer);
    assert_eq!(status, refusal.status);
    assert!((400..600).contains(&status) && body_len > 0, "{refusal:?}");
}

/// The status of a whole HTTP answer, and the length of its body, which is as long as it says.
fn read_answer(answer: &[u8]) -> (u16, usize) {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut headers);
    let head_len = match parsed.parse(answer) {
        Ok(httparse::Status::Complete(len)) => len,
        other => panic!("{other:?}: {:?}", String::from_utf8_lossy(answer)),
    };
    let body_len = answer.len() - head_len;
    let said = parsed.headers.iter().find(|header| header.name == "Content-Length");
    let said = said.map_or("0", |header| str::from_utf8(header.value).unwrap_or("not UTF-8"));
    assert_eq!(said, body_len.to_string());
    (parsed.code.expect("a whole answer has a status"), body_len)
}

/// The frames of a client mean the same to tungstenite, in pieces of as many bytes as the first one says.
pub(crate) fn frames(bytes: &[u8]) {
    let Some((&piece_len, bytes)) = bytes.split_first() else { return };
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(piece_len).max(1)).collect();
    if let Err(words) = compare(Role::Server, &pieces) {
        panic!("{words}");
    }
}

/// A compressed message becomes what the reference makes of it, under the limit that the first two bytes say;
/// and any bytes come back as they were after they were compressed.
pub(crate) fn inflate(bytes: &[u8]) {
    let Some((&limit, payload)) = bytes.split_first_chunk() else { return };
    let limit = u16::from_be_bytes(limit);
    let mut inflater = Inflater::new();
    let got = inflater.inflate(payload, u64::from(limit)).map(<[u8]>::to_vec);
    let got = got.map_err(|violation| violation.code);
    match Reference::new(MAX_INFLATED_BYTES).read(payload) {
        // Clients may leave out even the one byte that an empty message has.
        _ if payload.is_empty() => assert_eq!(got, Ok(Vec::new())),
        Ok(message) if message.len() > usize::from(limit) => assert_eq!(got, Err(1009)),
        Ok(message) => assert_eq!(got, Ok(message)),
        // What is wrong and too large is refused for what is found first.
        Err(_) => assert!(matches!(got, Err(1007 | 1009)), "{got:?}"),
    }

    let mut compressed = Vec::new();
    let (level, window_bits) = (u32::from(limit % 10), 9 + (limit % 7) as u8);
    Deflater::with_window(level, window_bits).deflate(payload, &mut compressed);
    assert_eq!(inflater.inflate(&compressed, payload.len() as u64), Ok(payload));
}

/// How far the reference reads: over every limit that is tried.
const MAX_INFLATED_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::wire::testing::Random;

    #[test]
    fn the_corpus_of_handshakes_holds() {
        replay("handshake", super::handshake);
    }

    #[test]
    fn the_corpus_of_frames_holds() {
        replay("frames", super::frames);
    }

    #[test]
    fn the_corpus_of_compressed_messages_holds() {
        replay("inflate", super::inflate);
    }

    /// Gives a target every file of its corpus, and neighbours of each.
    fn replay(name: &str, target: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "the corpus is empty");
        let mut random = Random(0xc0ffee);
        for path in files {
            let bytes = fs::read(&path).unwrap();
            println!("{}", path.display());
            target(&bytes);
            for _ in 0..NEIGHBOURS {
                let mut neighbour = bytes.clone();
                mutate(&mut random, &mut neighbour);
                let tried = std::panic::catch_unwind(|| target(&neighbour));
                tried.unwrap_or_else(|_| panic!("a neighbour of {}: {neighbour:02x?}", path.display()));
            }
        }
    }

    fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 => bytes.insert(at, random.next() as u8),
                1 => bytes.truncate(at.max(3)),
                _ if at == bytes.len() => {}
                2 => bytes[at] ^= 1 << random.below(8),
                _ => drop(bytes.remove(at)),
            }
        }
    }

    const NEIGHBOURS: usize = 1_000;
}
