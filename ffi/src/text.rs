//! Text and bytes, in from C and out to C.
//!
//! In: a pointer and a length, checked. Out: copies with a NUL behind them, in an arena that keeps them
//! where they are as long as it lives.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::slice;

use klatsch::{Error, ErrorCode};

use crate::message::klatsch_reaction_t;

/// Text that klatsch hands out: UTF-8. A NUL stands behind it that `length` does not count, so that `bytes`
/// can be printed with `%s`; the text itself may contain one too, then only `length` tells its end.
///
/// Where there is no text, `bytes` is NULL and `length` 0. Lives as long as the object it stands in. This
/// struct never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct klatsch_text_t {
    /// The text, or NULL.
    pub bytes: *const c_char,
    /// How many bytes, without the NUL behind them.
    pub length: usize,
}

impl klatsch_text_t {
    /// No text.
    pub(crate) const NONE: klatsch_text_t = klatsch_text_t { bytes: ptr::null(), length: 0 };
}

/// Reads a text that must be there.
///
/// # Errors
/// `invalid_argument`: NULL or too long for any memory. `invalid_utf8`.
///
/// # Safety
/// `bytes` is NULL or the beginning of `length` bytes, or of a C string if `length` is
/// `KLATSCH_NUL_TERMINATED`, that live and stay as they are for `'a`.
pub(crate) unsafe fn required<'a>(name: &str, bytes: *const c_char, length: usize) -> Result<&'a str, Error> {
    let bytes = if length == NUL_TERMINATED && !bytes.is_null() {
        // SAFETY: the caller's promise.
        unsafe { CStr::from_ptr(bytes) }.to_bytes()
    } else {
        // SAFETY: the caller's promise.
        unsafe { self::bytes(name, bytes.cast(), length) }?
    };
    str::from_utf8(bytes).map_err(|error| {
        let words = format!("{name} is not UTF-8: the error is at byte {}", error.valid_up_to());
        Error::new(ErrorCode::InvalidUtf8, words)
    })
}

/// Reads a text that may be left out: NULL is empty, whatever the length.
///
/// # Errors
/// # Safety
/// As [`required`].
pub(crate) unsafe fn optional<'a>(name: &str, bytes: *const c_char, length: usize) -> Result<&'a str, Error> {
    if bytes.is_null() {
        return Ok("");
    }
    // SAFETY: the caller's promise.
    unsafe { required(name, bytes, length) }
}

/// Reads bytes that must be there.
///
/// # Errors
/// `invalid_argument`: NULL, or too long for any memory.
///
/// # Safety
/// `bytes` is NULL or the beginning of `length` bytes that live and stay as they are for `'a`.
pub(crate) unsafe fn bytes<'a>(name: &str, bytes: *const c_void, length: usize) -> Result<&'a [u8], Error> {
    if bytes.is_null() {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is NULL")));
    }
    if length > isize::MAX as usize {
        let words = format!("{name} has {length} bytes, more than fit in memory");
        return Err(Error::new(ErrorCode::InvalidArgument, words));
    }
    // SAFETY: the caller's promise; `length` was checked.
    Ok(unsafe { slice::from_raw_parts(bytes.cast(), length) })
}

/// Checks a place to write a result to.
///
/// # Errors
/// `invalid_argument`: NULL or misaligned.
pub(crate) fn out<T>(name: &str, place: *mut T) -> Result<*mut T, Error> {
    match () {
        () if place.is_null() => Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is NULL"))),
        () if !place.is_aligned() => {
            Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is misaligned")))
        }
        () => Ok(place),
    }
}

/// What texts that go out live in, and lists of them.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    texts: Vec<Box<[u8]>>,
    lists: Vec<Box<[klatsch_text_t]>>,
    reactions: Vec<Box<[klatsch_reaction_t]>>,
}

impl Arena {
    /// Copies a text.
    pub(crate) fn text(&mut self, text: &str) -> klatsch_text_t {
        klatsch_text_t { bytes: self.data(text.as_bytes()).cast(), length: text.len() }
    }

    /// Copies bytes, with a NUL behind them too.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> *const u8 {
        let mut copy = Vec::with_capacity(bytes.len() + 1);
        copy.extend_from_slice(bytes);
        copy.push(0);
        let copy = copy.into_boxed_slice();
        let start = copy.as_ptr();
        self.texts.push(copy);
        start
    }

    /// Keeps a list of texts; NULL for none.
    pub(crate) fn texts(&mut self, texts: Vec<klatsch_text_t>) -> *const klatsch_text_t {
        keep(&mut self.lists, texts)
    }

    /// Keeps a message's reactions; NULL for none.
    pub(crate) fn reactions(&mut self, reactions: Vec<klatsch_reaction_t>) -> *const klatsch_reaction_t {
        keep(&mut self.reactions, reactions)
    }
}

fn keep<T>(lists: &mut Vec<Box<[T]>>, list: Vec<T>) -> *const T {
    if list.is_empty() {
        return ptr::null();
    }
    let list = list.into_boxed_slice();
    let start = list.as_ptr();
    lists.push(list);
    start
}

/// `KLATSCH_NUL_TERMINATED`, which the header says in C.
///
/// cbindgen:ignore
const NUL_TERMINATED: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], length: usize) -> Result<String, ErrorCode> {
        // SAFETY: every call below gives a length that `bytes` has, or one that is refused unread.
        unsafe { required("text", bytes.as_ptr().cast(), length) }
            .map(str::to_owned)
            .map_err(|error| error.code())
    }

    #[test]
    fn text_is_read_by_its_length_or_to_its_nul() {
        assert_eq!(read(b"hello\0", 4).unwrap(), "hell");
        assert_eq!(read(b"hello\0x", NUL_TERMINATED).unwrap(), "hello");
        assert_eq!(read("민수".as_bytes(), 6).unwrap(), "민수");
        assert_eq!(read(b"x", 0).unwrap(), "");
    }

    #[test]
    fn wrong_text_is_refused_with_its_code() {
        assert_eq!(read(b"\xff\0", 1), Err(ErrorCode::InvalidUtf8));
        assert_eq!(read("민수".as_bytes(), 5), Err(ErrorCode::InvalidUtf8));
        assert_eq!(read(b"x", usize::MAX - 1), Err(ErrorCode::InvalidArgument));
        assert_eq!(read(b"x", isize::MAX as usize + 1), Err(ErrorCode::InvalidArgument));
        for length in [0, 3, NUL_TERMINATED] {
            // SAFETY: NULL is allowed.
            let error = unsafe { required("room", ptr::null(), length) }.unwrap_err();
            assert_eq!(
                (error.code(), error.message().as_str()),
                (ErrorCode::InvalidArgument, "room is NULL")
            );
            // SAFETY: NULL is allowed.
            assert_eq!(unsafe { optional("reason", ptr::null(), length) }.unwrap(), "");
        }
    }

    #[test]
    fn text_goes_out_with_a_nul_that_is_not_counted() {
        let mut arena = Arena::default();
        let texts = [arena.text("one"), arena.text(""), arena.text("t\0wo")];
        for (text, want) in texts.iter().zip(["one", "", "t\0wo"]) {
            // SAFETY: the arena lives, and each text has a NUL behind its length.
            let bytes = unsafe { slice::from_raw_parts(text.bytes.cast::<u8>(), text.length + 1) };
            assert_eq!(bytes, [want.as_bytes(), b"\0"].concat());
        }
    }
}
