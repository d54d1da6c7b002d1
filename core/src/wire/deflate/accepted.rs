//! What a client offers, and what the server made of it.

use super::negotiation::{Reader, window_bits};

/// The offers: contexts are kept or not, and the window has any size, as the server likes. The second one is for
/// servers that ask a client to forget only where it says that it would (RFC 7692 §7.1.1.2): to say so in the first
/// would be to say it to all of them.
pub(crate) const OFFER: &str = "permessage-deflate; client_max_window_bits, \
    permessage-deflate; client_max_window_bits; client_no_context_takeover";

/// An offer, accepted. What the server says about its own window is only judged: an inflater of the
/// largest reads every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Each of the server's messages begins without a context.
    pub(crate) server_no_context_takeover: bool,
    /// Each of the client's messages must begin without a context.
    pub(crate) client_no_context_takeover: bool,
    /// The client's messages must refer back at most 2 to the power of this many bytes: 8 to 15.
    pub(crate) client_max_window_bits: u8,
}

/// Reads the values of all `Sec-WebSocket-Extensions` of an answer to [`OFFER`]. `Some(None)`: no extension is in
/// use. `None`: it is no answer to that offer, and the connection must fail.
///
/// Source: RFC 6455 §9.1; RFC 7692 §5, §7.1.
pub(crate) fn read_accepted(values: &[String]) -> Option<Option<Accepted>> {
    let mut accepted = None;
    for value in values {
        let reader = &mut Reader(value);
        loop {
            // A list may have empty elements (RFC 9110 §5.6.1.2).
            while reader.skip(b',') {}
            if reader.is_at_end() {
                break;
            }
            // One of the offers is accepted, or none.
            if accepted.replace(read_one(reader)?).is_some() {
                return None;
            }
            if !reader.skip(b',') && !reader.is_at_end() {
                return None;
            }
        }
    }
    Some(accepted)
}

fn read_one(reader: &mut Reader<'_>) -> Option<Accepted> {
    if reader.token()? != "permessage-deflate" {
        return None;
    }
    let (mut server_forgets, mut client_forgets) = (false, false);
    let (mut server_bits, mut client_bits) = (None, None);
    while reader.skip(b';') {
        let name = reader.token()?;
        let value = if reader.skip(b'=') { Some(reader.value()?) } else { None };
        let is_new = match (name, value.as_deref()) {
            ("server_no_context_takeover", None) => !std::mem::replace(&mut server_forgets, true),
            ("client_no_context_takeover", None) => !std::mem::replace(&mut client_forgets, true),
            ("server_max_window_bits", Some(bits)) => server_bits.replace(window_bits(bits)?).is_none(),
            ("client_max_window_bits", Some(bits)) => client_bits.replace(window_bits(bits)?).is_none(),
            _ => false,
        };
        if !is_new {
            return None;
        }
    }
    Some(Accepted {
        server_no_context_takeover: server_forgets,
        client_no_context_takeover: client_forgets,
        client_max_window_bits: client_bits.unwrap_or(15),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Option<Accepted>> {
        read_accepted(&values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_answer_says_what_both_sides_must_keep_to() {
        for (value, server_forgets, client_forgets, bits) in [
            ("permessage-deflate", false, false, 15),
            ("permessage-deflate; client_no_context_takeover", false, true, 15),
            ("permessage-deflate; server_no_context_takeover; client_max_window_bits=9", true, false, 9),
            ("permessage-deflate; server_max_window_bits=8; client_max_window_bits=\"8\"", false, false, 8),
            (" , permessage-deflate ;server_max_window_bits = 15 ,", false, false, 15),
        ] {
            let accepted = Accepted {
                server_no_context_takeover: server_forgets,
                client_no_context_takeover: client_forgets,
                client_max_window_bits: bits,
            };
            assert_eq!(read(&[value]), Some(Some(accepted)), "{value}");
        }
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&["", " ,"]), Some(None));
    }

    #[test]
    fn what_answers_no_offer_of_ours_fails() {
        for values in [
            &["permessage-bzip2"][..],
            &["Permessage-Deflate"],
            &["permessage-deflate, permessage-deflate"],
            &["permessage-deflate", "permessage-deflate"],
            &["permessage-deflate; client_max_window_bits"],
            &["permessage-deflate; client_max_window_bits=7"],
            &["permessage-deflate; client_max_window_bits=16"],
            &["permessage-deflate; server_max_window_bits"],
            &["permessage-deflate; server_max_window_bits=010"],
            &["permessage-deflate; server_no_context_takeover=1"],
            &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"],
            &["permessage-deflate; client_max_window_bits=10; client_max_window_bits=10"],
            &["permessage-deflate; mux"],
            &["permessage-deflate;"],
            &["permessage-deflate x"],
            &["é"],
        ] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }
}
