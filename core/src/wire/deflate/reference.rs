//! An inflater for tests: RFC 1951 line by line, one bit at a time, sharing nothing with the one in use.
//! It keeps its context from message to message, as a client does, and remembers how far back it had to look.

/// A client's end of a connection.
#[derive(Default)]
pub(in crate::wire) struct Reference {
    /// Everything that ever came out.
    pub(in crate::wire) out: Vec<u8>,
    /// The longest distance since the last [`mark`](Reference::mark), and the earliest place it led to.
    pub(in crate::wire) farthest: usize,
    pub(in crate::wire) earliest: usize,
    /// Where what may be referred to begins.
    history: usize,
    max_len: usize,
}

impl Reference {
    /// With a limit for what one message becomes.
    pub(in crate::wire) fn new(max_len: usize) -> Reference {
        Reference { earliest: usize::MAX, max_len, ..Reference::default() }
    }

    /// Forgets what distances there were.
    #[cfg(test)]
    pub(in crate::wire) fn mark(&mut self) {
        (self.farthest, self.earliest) = (0, usize::MAX);
    }

    /// Forgets the context.
    #[cfg(test)]
    pub(in crate::wire) fn forget(&mut self) {
        self.history = self.out.len();
    }

    /// Inflates one message; it must end with the empty stored block of a flush, or with a last block.
    pub(in crate::wire) fn read(&mut self, payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        let start = self.out.len();
        let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        loop {
            let is_last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => {
                    bits.at = bits.at.next_multiple_of(8);
                    let is_tail = bits.at == payload.len() * 8;
                    let (len, inverse) = (bits.take(16)?, bits.take(16)?);
                    if len != !inverse & 0xffff {
                        return Err("length");
                    }
                    if is_tail {
                        break;
                    }
                    for _ in 0..len {
                        let byte = bits.take(8)? as u8;
                        self.push(byte, start)?;
                    }
                }
                1 => {
                    let lens: Vec<u8> = [(8, 144), (9, 112), (7, 24), (8, 8)]
                        .iter()
                        .flat_map(|&(len, n)| vec![len; n])
                        .collect();
                    self.block(&mut bits, &Code::new(&lens)?, &Code::new(&[5; 30])?, start)?;
                }
                2 => {
                    let (literals, distances) = read_codes(&mut bits)?;
                    self.block(&mut bits, &literals, &distances, start)?;
                }
                _ => return Err("kind of block"),
            }
            if is_last {
                bits.at = bits.at.next_multiple_of(8);
                self.history = self.out.len();
                if bits.at == payload.len() * 8 {
                    break;
                }
            }
        }
        Ok(self.out[start..].to_vec())
    }

    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Code,
        distances: &Code,
        start: usize,
    ) -> Result<(), &'static str> {
        loop {
            let symbol = bits.symbol(literals)?;
            match symbol {
                0..=255 => self.push(symbol as u8, start)?,
                256 => return Ok(()),
                257..=285 => {
                    let (base, extra) = LENGTHS[symbol - 257];
                    let len = base + bits.take(extra)?;
                    let (base, extra) = *DISTANCES.get(bits.symbol(distances)?).ok_or("distance")?;
                    let distance = base + bits.take(extra)?;
                    let from = self.out.len().checked_sub(distance).ok_or("too far back")?;
                    if from < self.history || distance > 32_768 {
                        return Err("too far back");
                    }
                    self.farthest = self.farthest.max(distance);
                    self.earliest = self.earliest.min(from);
                    for i in 0..len {
                        self.push(self.out[from + i], start)?;
                    }
                }
                _ => return Err("length symbol"),
            }
        }
    }

    fn push(&mut self, byte: u8, start: usize) -> Result<(), &'static str> {
        if self.out.len() - start == self.max_len {
            return Err(TOO_LARGE);
        }
        self.out.push(byte);
        Ok(())
    }
}

/// RFC 1951 §3.2.7.
fn read_codes(bits: &mut Bits<'_>) -> Result<(Code, Code), &'static str> {
    let (literal_count, distance_count) = (bits.take(5)? + 257, bits.take(5)? + 1);
    if literal_count > 286 || distance_count > 30 {
        return Err("count of codes");
    }
    let mut lens = [0; 19];
    for place in 0..bits.take(4)? + 4 {
        lens[[16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15][place]] = bits.take(3)? as u8;
    }
    let code = Code::new(&lens)?;
    if code.is_incomplete {
        return Err("incomplete");
    }
    let mut lens = Vec::new();
    while lens.len() < literal_count + distance_count {
        let (len, times) = match bits.symbol(&code)? {
            16 => (*lens.last().ok_or("repeats nothing")?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len as u8, 1),
        };
        lens.extend(vec![len; times]);
    }
    if lens.len() > literal_count + distance_count || lens[256] == 0 {
        return Err("lengths of codes");
    }
    let (literals, distances) = (Code::new(&lens[..literal_count])?, Code::new(&lens[literal_count..])?);
    // Incomplete is allowed only where there is one code, of one bit.
    if [&literals, &distances]
        .iter()
        .any(|code| code.is_incomplete && code.counts[2..].iter().any(|n| *n > 0))
    {
        return Err("incomplete");
    }
    Ok((literals, distances))
}

/// RFC 1951 §3.2.2, decoded by counting.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
    is_incomplete: bool,
}

impl Code {
    fn new(lens: &[u8]) -> Result<Code, &'static str> {
        let mut counts = [0; 16];
        let mut symbols: Vec<usize> = (0..lens.len()).filter(|symbol| lens[*symbol] > 0).collect();
        symbols.iter().for_each(|symbol| counts[usize::from(lens[*symbol])] += 1);
        symbols.sort_by_key(|symbol| lens[*symbol]);
        let taken: usize = (1..16).map(|len| counts[len] << (15 - len)).sum();
        if taken > 1 << 15 {
            return Err("too many codes");
        }
        Ok(Code { counts, is_incomplete: taken > 0 && taken < 1 << 15, symbols })
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// Counted in bits.
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, &'static str> {
        let mut value = 0;
        for i in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or("cut off")?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, &'static str> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            value |= self.take(1)?;
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        Err("no such code")
    }
}

pub(in crate::wire) const TOO_LARGE: &str = "too large";

/// RFC 1951 §3.2.5: the least length or distance, and how many bits are added.
const LENGTHS: [(usize, usize); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
const DISTANCES: [(usize, usize); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1_025, 9),
    (1_537, 9),
    (2_049, 10),
    (3_073, 10),
    (4_097, 11),
    (6_145, 11),
    (8_193, 12),
    (12_289, 12),
    (16_385, 13),
    (24_577, 13),
];
