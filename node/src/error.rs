//! The core's errors to JavaScript's, and the guard that lets no panic out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use klatsch::{Error, ErrorCode};

use crate::json::Object;

/// What a call throws: an `Error` whose `code` is the stable name and whose `message` are the words.
pub(crate) type Failure = napi::Error<CodeName>;

/// A code where napi wants something that reads as text.
#[derive(Debug)]
pub struct CodeName(ErrorCode);

impl AsRef<str> for CodeName {
    fn as_ref(&self) -> &str {
        self.0.name()
    }
}

/// Runs the body of an exported function.
///
/// # Errors
/// What `body` gives; [`ErrorCode::Internal`] when it panics, because a panic that left a plain napi function
/// would abort the host's process.
pub(crate) fn guard<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    caught(body).map_err(|error| Failure::new(CodeName(error.code()), error.message()))
}

/// [`guard`], for what does not end in JavaScript.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Unwind safe: what a panic may have left half done belongs to an engine that is refused from then on.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no words");
        Err(Error::new(ErrorCode::Internal, format!("the engine panicked, which is a bug: {words}")))
    })
}

/// An error of napi itself, met while a call is carried out.
pub(crate) fn of_napi(error: &napi::Error) -> Error {
    Error::new(ErrorCode::Internal, format!("Node refused: {}", error.reason))
}

/// Writes `{"code": …, "message": …}`.
pub(crate) fn write(out: &mut Vec<u8>, error: &Error) {
    Object::new(out).text("code", error.code().name()).text("message", &error.message()).end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_words() {
        let words = |error: Error| (error.code(), error.message());
        let (code, message) = words(caught::<()>(|| panic!("seven {}", 7)).unwrap_err());
        assert_eq!(code, ErrorCode::Internal);
        assert!(message.ends_with("seven 7"), "{message}");
        let (code, message) = words(caught::<()>(|| std::panic::panic_any(7)).unwrap_err());
        assert_eq!(code, ErrorCode::Internal);
        assert!(message.ends_with("no words"), "{message}");
    }

    #[test]
    fn what_does_not_panic_comes_through_as_it_is() {
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
        let error = caught::<()>(|| Err(Error::new(ErrorCode::Busy, "later"))).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::Busy, "later".to_owned()));
    }
}
