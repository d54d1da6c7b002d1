//! Who has which message: every client gets every message, once, in each sender's order.
//!
//! A message carries a token in its text that says which run, which sender and which of its messages it is. What comes
//! deflated is counted instead; some clients, the witnesses, inflate it and look at the tokens as well.

use super::histogram::Histogram;

/// The book of one run. Times are nanoseconds since the run began.
pub(crate) struct Checks {
    /// What tells this run's messages from others'.
    nonce: u64,
    /// How many clients read: each message is to reach them all.
    readers: u32,
    senders: Vec<Sender>,
    /// For each client and sender, the last message that came.
    last: Vec<u32>,
    /// Where the token stood in the last message.
    token_at: usize,
    /// All messages in the order they were sent, for what is counted only: sender, time, how many clients have it.
    sequence: Vec<(usize, u64, u32)>,
    pub(crate) is_recording: bool,
    pub(crate) deliveries: u64,
    /// Messages that came twice, not in their order, or after a gap.
    pub(crate) disorder: u64,
    /// Messages that everybody has, by sender: each may say another one. Whoever reads this clears it.
    pub(crate) finished: Vec<usize>,
    /// From sending to each delivery.
    pub(crate) latency: Histogram,
}

#[derive(Clone, Default)]
struct Sender {
    /// When each of its messages was sent, and how many clients miss it.
    sent: Vec<(u64, u32)>,
}

impl Checks {
    pub(crate) fn new(nonce: u64, clients: usize, readers: usize, senders: usize) -> Checks {
        Checks {
            nonce: nonce & 0xffff,
            readers: readers as u32,
            senders: vec![Sender::default(); senders],
            last: vec![0; clients * senders],
            token_at: 0,
            sequence: Vec::new(),
            is_recording: false,
            deliveries: 0,
            disorder: 0,
            finished: Vec::new(),
            latency: Histogram::new(),
        }
    }

    /// Writes down that a sender says its next message at this time, and appends its text, `size` bytes.
    pub(crate) fn say(&mut self, sender: usize, size: usize, now: u64, text: &mut Vec<u8>) {
        let sent = &mut self.senders[sender].sent;
        sent.push((now, self.readers));
        let number = sent.len() as u64;
        self.sequence.push((sender, now, 0));
        let start = text.len();
        text.extend_from_slice(MARK);
        letters(text, self.nonce, 4);
        letters(text, sender as u64, 4);
        letters(text, number, 8);
        // Prose, from another place each time, so that a compressor has its ordinary work.
        let from = (number as usize * 7 + sender * 13) % PROSE.len();
        let prose = PROSE.as_bytes().iter().cycle().skip(from);
        text.extend(prose.take(size.saturating_sub(text.len() - start)));
    }

    pub(crate) fn said(&self) -> u64 {
        self.sequence.len() as u64
    }

    /// A message came. Anything without a token of this run is none of ours.
    pub(crate) fn message(&mut self, client: usize, payload: &[u8], now: u64) {
        let Some((sender, number)) = self.token(payload) else { return };
        self.deliveries += 1;
        if !self.follows(client, sender, number) {
            return;
        }
        let Some((sent_at, missing)) = self.senders[sender].sent.get_mut(number as usize - 1) else {
            self.disorder += 1;
            return;
        };
        if self.is_recording {
            self.latency.add(now.saturating_sub(*sent_at));
        }
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.finished.push(sender);
        }
    }

    /// The `index`th message of this client came, whichever it was.
    pub(crate) fn counted(&mut self, index: usize, now: u64) {
        self.deliveries += 1;
        let Some((sender, sent_at, seen)) = self.sequence.get_mut(index) else {
            self.disorder += 1;
            return;
        };
        if self.is_recording {
            self.latency.add(now.saturating_sub(*sent_at));
        }
        *seen += 1;
        if *seen == self.readers {
            self.finished.push(*sender);
        }
    }

    /// A message that is counted as well was inflated: looks at its token.
    pub(crate) fn witnessed(&mut self, client: usize, payload: &[u8]) {
        match self.token(payload) {
            Some((sender, number)) => drop(self.follows(client, sender, number)),
            None => self.disorder += 1,
        }
    }

    /// Pairs of a client and a sender that lack messages, of those clients.
    pub(crate) fn incomplete(&self, clients: impl Iterator<Item = usize>) -> u64 {
        let senders = self.senders.len();
        let lacks = |client: usize| {
            let last = &self.last[client * senders..(client + 1) * senders];
            last.iter()
                .zip(&self.senders)
                .filter(|(last, sender)| **last as usize != sender.sent.len())
                .count()
        };
        clients.map(|client| lacks(client) as u64).sum()
    }

    /// Whether this is the sender's next message for the client; writes down that it was the last.
    fn follows(&mut self, client: usize, sender: usize, number: u32) -> bool {
        let last = &mut self.last[client * self.senders.len() + sender];
        let is_next = number == *last + 1;
        self.disorder += u64::from(!is_next);
        let is_new = number > *last;
        *last = number.max(*last);
        is_new
    }

    /// The sender and the number of a message of this run.
    fn token(&mut self, payload: &[u8]) -> Option<(usize, u32)> {
        if !payload.get(self.token_at..)?.starts_with(MARK) {
            self.token_at = payload.windows(MARK.len()).position(|window| window == MARK)?;
        }
        let token = payload.get(self.token_at + MARK.len()..self.token_at + MARK.len() + 16)?;
        let sender = number(&token[4..8])? as usize;
        let number = u32::try_from(number(&token[8..])?).ok()?;
        let is_ours = read_nonce(token)? == self.nonce && sender < self.senders.len() && number > 0;
        is_ours.then_some((sender, number))
    }
}

fn read_nonce(token: &[u8]) -> Option<u64> {
    number(&token[..4])
}

/// Appends the lowest `count` half bytes as letters, which no server escapes.
fn letters(out: &mut Vec<u8>, value: u64, count: u32) {
    out.extend((0..count).rev().map(|place| b'a' + ((value >> (4 * place)) & 15) as u8));
}

fn number(letters: &[u8]) -> Option<u64> {
    letters.iter().try_fold(0, |value, letter| match letter.wrapping_sub(b'a') {
        half @ 0..16 => Some(value << 4 | u64::from(half)),
        _ => None,
    })
}

const MARK: &[u8] = b"@@";

const PROSE: &str = "so I tried the new build on the old laptop last night and it went fine until the cache filled up \
again; did anybody look at the logs from tuesday, they show the same thing about an hour before the restart. I would \
rather wait for the next release than patch it twice, but tell me if you need it earlier and we can meet at four. ";

#[cfg(test)]
mod tests {
    use super::*;

    /// Two readers and one sender, who said two messages: their texts.
    fn two_messages() -> (Checks, [Vec<u8>; 2]) {
        let mut checks = Checks::new(7, 2, 2, 1);
        let mut texts = [b"{\"text\":\"".to_vec(), b"{\"text\":\"".to_vec()];
        checks.say(0, 64, 10, &mut texts[0]);
        checks.say(0, 64, 20, &mut texts[1]);
        (checks, texts)
    }

    #[test]
    fn a_message_is_finished_when_everybody_has_it() {
        let (mut checks, [one, two]) = two_messages();
        assert_eq!(one.len(), 9 + 64);
        checks.message(0, &one, 30);
        checks.message(0, &two, 30);
        assert_eq!((checks.finished.len(), checks.incomplete(0..2)), (0, 1));
        checks.message(1, &one, 30);
        assert_eq!(checks.finished, [0]);
        checks.message(1, &two, 30);
        assert_eq!((checks.finished.len(), checks.incomplete(0..2)), (2, 0));
        assert_eq!((checks.deliveries, checks.disorder), (4, 0));
    }

    #[test]
    fn gaps_repetitions_and_wrong_orders_are_seen() {
        for wrong in [&[1][..], &[0, 0], &[1, 0], &[0, 1, 1]] {
            let (mut checks, texts) = two_messages();
            for &message in wrong {
                checks.message(0, &texts[message], 30);
            }
            assert!(checks.disorder > 0, "{wrong:?}");
        }
    }

    #[test]
    fn other_runs_and_other_texts_are_none_of_ours() {
        let (mut checks, _) = two_messages();
        let mut other = Vec::new();
        Checks::new(8, 1, 1, 1).say(0, 64, 0, &mut other);
        for payload in [&other[..], b"", b"@@", b"@@abc", b"{}"] {
            checks.message(0, payload, 30);
        }
        assert_eq!((checks.deliveries, checks.disorder), (0, 0));
    }

    #[test]
    fn what_is_counted_finishes_too_and_a_witness_sees_its_order() {
        let (mut checks, [one, two]) = two_messages();
        for index in [0, 0, 1] {
            checks.counted(index, 30);
        }
        assert_eq!((&checks.finished[..], checks.deliveries), (&[0][..], 3));
        checks.witnessed(0, &two);
        assert_eq!(checks.disorder, 1, "a gap");
        checks.witnessed(1, &one);
        assert_eq!(checks.disorder, 1);
        checks.counted(2, 30);
        assert_eq!(checks.disorder, 2, "there was no third message");
    }
}
