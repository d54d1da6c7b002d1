//! The wall that no panic passes, and the way an error goes out.
//!
//! Every exported function runs inside one of these. Nothing of klatsch's own is known here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use klatsch::{Error, ErrorCode};

use crate::error::{klatsch_code_t, klatsch_error_t, report};

/// Runs a function's body. A failure goes to `out_error`, if there is one, and its code is given back; a
/// panic is a failure with the code `internal`.
///
/// # Safety
/// `out_error` is NULL or a place to write a pointer to.
pub(crate) unsafe fn guard(
    out_error: *mut *mut klatsch_error_t,
    act: impl FnOnce() -> Result<(), Error>,
) -> klatsch_code_t {
    match caught(act).and_then(|result| result) {
        Ok(()) => klatsch_code_t::KLATSCH_OK,
        Err(error) => {
            // SAFETY: the caller's promise.
            let report = || unsafe { report(error, out_error) };
            caught(report).unwrap_or(klatsch_code_t::KLATSCH_INTERNAL)
        }
    }
}

/// Runs the body of a function that answers with a plain value: `otherwise` after a panic.
pub(crate) fn value_or<T>(otherwise: T, act: impl FnOnce() -> T) -> T {
    caught(act).unwrap_or(otherwise)
}

/// Runs something that may panic.
///
/// # Errors
/// `internal`, with the panic's own words.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let words = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(words), _) => (*words).to_owned(),
            (_, Some(words)) => words.clone(),
            _ => "no words".to_owned(),
        };
        // Dropping what was thrown could throw again.
        std::mem::forget(panic);
        Error::new(ErrorCode::Internal, format!("a bug in klatsch: {words}"))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;
    use crate::error::{klatsch_error_code, klatsch_error_free, klatsch_error_message};

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_words() {
        let mut error: *mut klatsch_error_t = ptr::null_mut();
        // SAFETY: `error` outlives the calls, and its message is read before it is freed.
        unsafe {
            let code = guard(&raw mut error, || panic!("seven is {}", 7));
            assert_eq!(code, klatsch_code_t::KLATSCH_INTERNAL);
            assert_eq!(klatsch_error_code(error), code);
            let words = CStr::from_ptr(klatsch_error_message(error)).to_str().unwrap();
            assert!(words.contains("seven is 7"), "{words}");
            klatsch_error_free(error);
        }
    }

    #[test]
    fn a_panic_with_any_payload_is_held_where_no_error_is_wanted() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        // SAFETY: NULL is allowed.
        let code = unsafe { guard(ptr::null_mut(), || std::panic::panic_any(Bomb)) };
        assert_eq!(code, klatsch_code_t::KLATSCH_INTERNAL);
        assert_eq!(value_or(3, || panic!("again")), 3);
        assert_eq!(value_or(3, || 4), 4);
    }
}
