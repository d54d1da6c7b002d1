//! A request's head: where it ends, and what it says.
//!
//! In: bytes. Out: method, target and headers that can be read in one way only. Knows nothing of WebSocket.

use super::response::{Refusal, shown};

/// Finds the end of a request's head, in bytes that come in pieces; looks at each byte once.
#[derive(Debug, Default)]
pub(crate) struct HeadScan {
    /// Bytes looked at.
    seen: usize,
    /// Where the line under way begins.
    line_start: usize,
    /// Lines that have ended, the request line too.
    line_count: usize,
}

impl HeadScan {
    /// Gives the length of the head, its empty line included, or `None` while it has not ended: ask
    /// again with more.
    ///
    /// `bytes` is all that has come on the connection so far; what follows the head is not looked at.
    ///
    /// # Errors
    /// 431: no end within 8 KiB, or more than 64 headers. 400: a line that does not end with CR LF, a
    /// control byte (a TLS client on a plain port is told so at its first byte), or nothing before the
    /// empty line.
    ///
    /// Source: RFC 9112 §2.2.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let end = bytes.len().min(MAX_HEAD_BYTES);
        while self.seen < end {
            let position = self.seen;
            let byte = bytes[position];
            let before = bytes[self.line_start..position].last();
            self.seen += 1;
            match (before, byte) {
                (Some(b'\r'), b'\n') => {
                    let is_empty = position - self.line_start == 1;
                    if is_empty && self.line_count == 0 {
                        return Err(Refusal::new(400, "the request begins with an empty line"));
                    }
                    if is_empty {
                        return Ok(Some(self.seen));
                    }
                    self.line_start = self.seen;
                    self.line_count += 1;
                }
                (Some(b'\r'), _) | (_, b'\n') => {
                    return Err(Refusal::new(400, "a line of the request does not end with CR LF"));
                }
                (_, b'\r') if position > self.line_start && self.line_count > MAX_HEADER_COUNT => {
                    return Err(Refusal::new(
                        431,
                        format!("the request has more than {MAX_HEADER_COUNT} headers"),
                    ));
                }
                (_, b'\r' | b'\t') => {}
                (None, 0x16) if position == 0 => {
                    return Err(Refusal::new(
                        400,
                        "this port speaks HTTP and WebSocket without TLS: use ws://",
                    ));
                }
                (_, byte) if byte.is_ascii_control() => {
                    return Err(Refusal::new(400, format!("the request has the control byte {byte:#04x}")));
                }
                _ => {}
            }
        }
        if end == MAX_HEAD_BYTES {
            return Err(Refusal::new(431, format!("the request's head is over {MAX_HEAD_BYTES} bytes")));
        }
        Ok(None)
    }
}

/// A request whose head has one reading: its `Host` is there, once, and it has no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Begins with `/`; as it was sent, escapes not decoded.
    pub(crate) path: String,
    /// Behind the `?`, as it was sent; empty when there is none. See [`query_value`].
    pub(crate) query: String,
    /// Names in lower case, in the order they came. A byte of a value that is not UTF-8 became U+FFFD.
    pub(crate) headers: Vec<(String, String)>,
    /// `false`: HTTP/1.0.
    pub(crate) http11: bool,
}

impl Request {
    /// The first header of that lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header of that lower-case name.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The elements of a comma-separated list, of all header lines of that name; empty ones do not count
    /// (RFC 9110 §5.6.1).
    pub(super) fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(|element| element.trim_matches([' ', '\t']))
            .filter(|element| !element.is_empty())
    }
}

/// Reads a request's head, as [`HeadScan`] found it.
///
/// Header values that are not UTF-8 are kept with U+FFFD for what is not: old proxies and cookies have
/// such bytes where nobody here looks, and every value that is looked at is compared with ASCII,
/// which U+FFFD never equals.
///
/// # Errors
/// 400: not HTTP/1.1 or 1.0, a target that is not a path, a folded line, a blank before a colon, no
/// `Host` or several or one that is no host, `Transfer-Encoding`, a wrong `Content-Length`. 413: a
/// body is announced. 431: too many headers.
///
/// Source: RFC 9112 §2, §3, §5, §6.
pub(crate) fn parse_request(head: &[u8]) -> Result<Request, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADER_COUNT];
    let mut parsed = httparse::Request::new(&mut headers);
    let status = parsed.parse(head).map_err(|error| match error {
        httparse::Error::TooManyHeaders => {
            Refusal::new(431, format!("the request has more than {MAX_HEADER_COUNT} headers"))
        }
        httparse::Error::Version => Refusal::new(400, "the request is not HTTP/1.1"),
        error => Refusal::new(400, format!("the request is not HTTP: {error}")),
    })?;
    let (Some(method), Some(target), Some(version), true) =
        (parsed.method, parsed.path, parsed.version, status.is_complete())
    else {
        return Err(Refusal::new(400, "the request's head is not complete"));
    };
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::new(
            400,
            format!("the request's target is {}; it must be a path, like /chat?room=lobby", shown(target)),
        ));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: parsed
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value.trim_ascii()).into_owned();
                (header.name.to_ascii_lowercase(), value)
            })
            .collect(),
        http11: version == 1,
    };
    check_host_form(&request)?;
    check_no_body(&request)?;
    Ok(request)
}

/// Finds the first parameter of that name in a query and decodes its value: `%xx`, and `+` for a blank.
///
/// A parameter without `=` has the empty value. `None`: there is none of that name.
///
/// # Errors
/// 400: an escape that is not two hexadecimal digits, or a value that is not UTF-8.
///
/// Source: the URL standard, application/x-www-form-urlencoded; RFC 3986 §2.1.
pub(crate) fn query_value(query: &str, name: &str) -> Option<Result<String, Refusal>> {
    let value = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode(key).is_some_and(|key| key == name).then_some(value)
    })?;
    Some(decode(value).ok_or_else(|| {
        Refusal::new(400, format!("the query's {name} is {}; it must be percent-encoded UTF-8", shown(value)))
    }))
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// RFC 9112 §3.2: exactly one, also where HTTP/1.0 would do without.
fn check_host_form(request: &Request) -> Result<(), Refusal> {
    let mut hosts = request.all("host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::new(400, "the request must have exactly one Host header"));
    };
    if split_authority(host).is_none() {
        return Err(Refusal::new(
            400,
            format!("the request's Host is {}; it must be like chat.example:8080", shown(host)),
        ));
    }
    Ok(())
}

/// RFC 9112 §6: nothing here takes a body, and one that is read differently elsewhere is smuggling.
fn check_no_body(request: &Request) -> Result<(), Refusal> {
    if request.header("transfer-encoding").is_some() {
        return Err(Refusal::new(400, "the request has Transfer-Encoding; no request here may have a body"));
    }
    let mut lengths = request.all("content-length");
    match (lengths.next(), lengths.next()) {
        (None | Some("0"), None) => Ok(()),
        (Some(length), None) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Refusal::new(
                413,
                format!("the request's Content-Length is {}; it may only be 0", shown(length)),
            ))
        }
        _ => Err(Refusal::new(400, "the request has a wrong Content-Length; it may only be 0")),
    }
}

/// Splits `host`, `host:port` or `[IPv6]:port` into host and port; `None` when it is neither.
///
/// Source: RFC 3986 §3.2, without user information.
pub(super) fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_len = match authority.strip_prefix('[') {
        Some(rest) => 1 + rest.find(']')? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_len);
    let is_host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte))
        }
    };
    let port = match rest.strip_prefix(':') {
        None => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    (is_host && (rest.is_empty() || port.is_some())).then_some((host, port))
}

/// What browsers and proxies send is a tenth of it.
pub(super) const MAX_HEAD_BYTES: usize = 8 * 1024;
pub(super) const MAX_HEADER_COUNT: usize = 64;

#[cfg(test)]
mod tests;
