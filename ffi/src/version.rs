//! The library about itself.

use std::ffi::c_char;

use crate::guard::value_or;
use crate::handle;

/// Gives the version of the running library, like `0.1.0`. The text ends in a NUL and lives for ever.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Counts what this process has from the library and has not given back: options, engines, errors, batches
/// and lists. For a host's own leak tests: leak checkers see memory, not handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_handle_count() -> usize {
    value_or(0, handle::count)
}
