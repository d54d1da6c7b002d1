//! What a client offers, and which of it is agreed.
//!
//! Two kinds of wrong are kept apart. A header that is no list of extensions is a wrong request, and
//! refused. An offer that RFC 7692 does not know, or that asks for what is not done here, is only declined:
//! the next one is looked at, and without any the connection goes uncompressed.

use std::borrow::Cow;
use std::fmt::Write;

use crate::wire::handshake::{Refusal, is_token_byte, shown};

/// One offer, accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The value of the answer's `Sec-WebSocket-Extensions`.
    pub(crate) response: String,
    /// Whether this client reads every batch to its end: it keeps its context and has the largest window.
    pub(crate) shares: bool,
    /// The client's window has 2 to the power of this many bytes: 9 to 15.
    pub(crate) server_max_window_bits: u8,
    /// The client forgets each message when the next begins, so it can read only the first one of a batch.
    pub(crate) server_no_context_takeover: bool,
}

/// Picks the first offer of permessage-deflate that can be accepted; `None` if there is none.
///
/// `extensions` are the values of all `Sec-WebSocket-Extensions` headers, in their order.
///
/// The answer always has `client_no_context_takeover`, and never `client_max_window_bits`: whatever window
/// the client keeps to, an inflater of the largest reads it. An offer is declined for a parameter that
/// is unknown, is there twice, has a value it must not have or lacks one it must have; and for
/// `server_max_window_bits=8`, since deflaters cannot do less than 9.
///
/// # Errors
/// 400: a value that is not a list of extensions.
///
/// Source: RFC 6455 §9.1; RFC 7692 §5, §7.1.
pub(crate) fn negotiate(extensions: &[&str]) -> Result<Option<Agreed>, Refusal> {
    let mut agreed = None;
    for value in extensions {
        // All of it is read, also behind an offer that was accepted: a broken header has no reading.
        read_list(&mut Reader(value), &mut agreed).ok_or_else(|| {
            Refusal::new(
                400,
                format!(
                    "Sec-WebSocket-Extensions is {}; it must be a list of names with parameters, \
                     like permessage-deflate; client_max_window_bits=15",
                    shown(value)
                ),
            )
        })?;
    }
    Ok(agreed)
}

/// `None`: it is no list.
fn read_list(reader: &mut Reader<'_>, agreed: &mut Option<Agreed>) -> Option<()> {
    loop {
        // A list may have empty elements (RFC 9110 §5.6.1.2).
        while reader.skip(b',') {}
        if reader.is_at_end() {
            return Some(());
        }
        let offer = read_extension(reader)?;
        if agreed.is_none() {
            *agreed = offer.map(Offer::accept);
        }
        if !reader.skip(b',') && !reader.is_at_end() {
            return None;
        }
    }
}

/// Reads one extension with its parameters: `None` when it is broken, `Some(None)` when it is another
/// extension or is declined.
fn read_extension(reader: &mut Reader<'_>) -> Option<Option<Offer>> {
    let mut offer = (reader.token()? == "permessage-deflate").then(Offer::default);
    while reader.skip(b';') {
        let name = reader.token()?;
        let value = if reader.skip(b'=') { Some(reader.value()?) } else { None };
        offer = offer.and_then(|offer| offer.with(name, value.as_deref()));
    }
    Some(offer)
}

/// What an offer asks for.
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: bool,
}

impl Offer {
    /// Adds a parameter; `None` declines the offer.
    fn with(mut self, name: &str, value: Option<&str>) -> Option<Offer> {
        let is_new = match (name, value) {
            ("server_no_context_takeover", None) => {
                !std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            ("client_no_context_takeover", None) => {
                !std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            ("server_max_window_bits", Some(value)) => {
                let bits = window_bits(value).filter(|bits| *bits >= MIN_WINDOW_BITS)?;
                self.server_max_window_bits.replace(bits).is_none()
            }
            ("client_max_window_bits", value) => {
                value.is_none_or(|value| window_bits(value).is_some())
                    && !std::mem::replace(&mut self.client_max_window_bits, true)
            }
            _ => false,
        };
        is_new.then_some(self)
    }

    fn accept(self) -> Agreed {
        let mut response = "permessage-deflate; client_no_context_takeover".to_owned();
        if self.server_no_context_takeover {
            response.push_str("; server_no_context_takeover");
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(response, "; server_max_window_bits={bits}").expect("writing to a String does not fail");
        }
        let server_max_window_bits = self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS);
        Agreed {
            response,
            shares: !self.server_no_context_takeover && server_max_window_bits == MAX_WINDOW_BITS,
            server_max_window_bits,
            server_no_context_takeover: self.server_no_context_takeover,
        }
    }
}

/// A decimal from 8 to 15 without leading zeros (RFC 7692 §7.1.2).
pub(super) fn window_bits(value: &str) -> Option<u8> {
    match *value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// What is not read yet. White space around anything but within a quoted value is nothing (RFC 2616 §2.1,
/// by which RFC 6455 writes its grammar).
pub(super) struct Reader<'a>(pub(super) &'a str);

impl<'a> Reader<'a> {
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.0.is_empty()
    }

    /// Takes `mark` if it comes next.
    pub(super) fn skip(&mut self, mark: u8) -> bool {
        self.skip_space();
        let is_next = self.0.as_bytes().first() == Some(&mark);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    pub(super) fn token(&mut self) -> Option<&'a str> {
        self.skip_space();
        let len = self.0.bytes().take_while(|byte| is_token_byte(*byte)).count();
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        (len > 0).then_some(token)
    }

    /// A token, plain or quoted; a quoted one is without its quotes and backslashes.
    pub(super) fn value(&mut self) -> Option<Cow<'a, str>> {
        if !self.skip(b'"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = String::new();
        let mut letters = self.0.char_indices();
        loop {
            let (_, letter) = letters.next()?;
            let letter = match letter {
                '"' => break,
                '\\' => letters.next()?.1,
                letter => letter,
            };
            if !letter.is_ascii() || !is_token_byte(letter as u8) {
                return None;
            }
            value.push(letter);
        }
        self.0 = letters.as_str();
        (!value.is_empty()).then_some(Cow::Owned(value))
    }
}

/// zlib's deflaters take 8 for 9, and so would write what a window of 8 cannot read.
const MIN_WINDOW_BITS: u8 = 9;
/// The window of DEFLATE itself: 32 KiB.
const MAX_WINDOW_BITS: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "permessage-deflate; client_no_context_takeover";

    fn agreed(extensions: &[&str]) -> Option<Agreed> {
        negotiate(extensions).unwrap_or_else(|refusal| panic!("{extensions:?}: {}", refusal.reason))
    }

    #[test]
    fn what_clients_offer_is_accepted_and_answered_in_kind() {
        for (offer, more, bits, forgets) in [
            // RFC 7692 §7.1: its examples.
            ("permessage-deflate", "", 15, false),
            ("permessage-deflate; client_max_window_bits; server_max_window_bits=10", "", 10, false),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", "", 10, false),
            // Chromium, ws, undici; Firefox; Safari before 15; ws with its options.
            ("permessage-deflate; client_max_window_bits", "", 15, false),
            ("permessage-deflate", "", 15, false),
            ("x-webkit-deflate-frame, permessage-deflate", "", 15, false),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=15; client_max_window_bits=15",
                "; server_no_context_takeover",
                15,
                true,
            ),
            ("permessage-deflate; client_no_context_takeover", "", 15, false),
            ("permessage-deflate; server_no_context_takeover", "; server_no_context_takeover", 15, true),
            // Quoted, escaped, spaced.
            (r#"permessage-deflate;server_max_window_bits="12""#, "", 12, false),
            (r#"permessage-deflate;server_max_window_bits="\1\2""#, "", 12, false),
            (" ,\t, permessage-deflate \t;\tserver_max_window_bits = 12 ,, ", "", 12, false),
            (r#"a; b=c; d, e; f="g\h", permessage-deflate"#, "", 15, false),
        ] {
            let window = format!("; server_max_window_bits={bits}");
            let asked = offer.contains("server_max_window_bits");
            assert_eq!(
                agreed(&[offer]),
                Some(Agreed {
                    response: format!("{PLAIN}{more}{}", if asked { window.as_str() } else { "" }),
                    shares: bits == 15 && !forgets,
                    server_max_window_bits: bits,
                    server_no_context_takeover: forgets,
                }),
                "{offer}"
            );
        }
    }

    #[test]
    fn every_window_of_the_server_is_accepted_but_8() {
        for bits in 0..=u16::from(u8::MAX) + 10 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let got = agreed(&[&offer]).map(|agreed| u16::from(agreed.server_max_window_bits));
            assert_eq!(got, (9..=15).contains(&bits).then_some(bits), "{offer}");
            let offer = format!("permessage-deflate; client_max_window_bits={bits}");
            assert_eq!(agreed(&[&offer]).is_some(), (8..=15).contains(&bits), "{offer}");
        }
    }

    #[test]
    fn a_bad_parameter_declines_its_offer_and_no_other() {
        for bad in [
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=8",
            "server_max_window_bits=16",
            "server_max_window_bits=x",
            "server_max_window_bits=09",
            "server_max_window_bits=010",
            "server_max_window_bits=+10",
            "server_max_window_bits=-10",
            "server_max_window_bits=1e1",
            "server_max_window_bits=10.0",
            "server_max_window_bits=265",
            "server_max_window_bits=4294967306",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=08",
            "client_max_window_bits=x",
            "client_max_window_bits=\"0\"",
            "server_no_context_takeover=1",
            "server_no_context_takeover=true",
            "client_no_context_takeover=\"x\"",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            "server_max_window_bits=10; server_max_window_bits=10",
            "constructor",
            "__proto__=1",
            "Server_No_Context_Takeover",
            "permessage-deflate",
        ] {
            let offer = format!("permessage-deflate; {bad}");
            assert_eq!(agreed(&[&offer]), None, "{offer}");
            // Also when a good parameter follows, and so that the next offer is looked at.
            let more = format!("{offer}; client_max_window_bits, permessage-deflate, {offer}");
            assert_eq!(agreed(&[&more]).unwrap().response, PLAIN, "{more}");
            assert_eq!(agreed(&[&offer, "other", "permessage-deflate"]).unwrap().response, PLAIN, "{offer}");
        }
    }

    #[test]
    fn without_an_offer_there_is_no_extension() {
        for values in [
            &[][..],
            &[""],
            &[" ,\t,"],
            &["x-webkit-deflate-frame"],
            &["permessage-bzip2; x", "deflate-stream"],
            &["Permessage-Deflate"],
            &["permessage-deflate2"],
            &["other; permessage-deflate"],
            &["other; a=permessage-deflate", r#"other; a="permessage-deflate""#],
        ] {
            assert_eq!(agreed(values), None, "{values:?}");
        }
    }

    #[test]
    fn the_first_acceptable_offer_wins_over_all_lines() {
        let values = [
            "a, permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=9, permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
        ];
        assert_eq!(agreed(&values).unwrap().server_max_window_bits, 9);
        assert!(agreed(&values[2..]).unwrap().server_no_context_takeover);
    }

    #[test]
    fn a_value_that_is_no_list_of_extensions_is_refused_wherever_it_stands() {
        for broken in [
            ";",
            "=",
            "a b",
            "a;",
            "a; ;b",
            "a; b=",
            "a; b=,c",
            "a; b=c d",
            "a; =c",
            "a=b",
            "a; b==c",
            "a; b=\"c",
            "a; b=\"c\\",
            "a; b=\"\"",
            "a; b=\"c d\"",
            "a; b=\"c\\;d\"",
            "a; b=\"c, permessage-deflate\"",
            "a; b=\"c\"d",
            "a; b=\"é\"",
            "a; b=c\"d\"",
            "a; \"b\"=c",
            "\"a\"",
            "é",
            "a/b",
            "permessage-deflate; client_max_window_bits=\"15",
            "permessage-deflate;",
        ] {
            for values in [&[broken][..], &["permessage-deflate", broken], &[broken, "permessage-deflate"]] {
                let refusal = negotiate(values).expect_err(broken);
                assert_eq!(refusal.status, 400, "{values:?}");
            }
            let behind = format!("permessage-deflate, {broken}");
            assert_eq!(negotiate(&[&behind]).expect_err(broken).status, 400, "{behind}");
        }
        let refusal = negotiate(&["a; b=\"c"]).unwrap_err();
        assert!(refusal.reason.contains(r#"Sec-WebSocket-Extensions is "a; b=\"c""#), "{}", refusal.reason);
    }
}
