//! Handles: numbers in a pointer's clothes.
//!
//! A C program holds a number that is never used twice, never an address. Whatever it does with a handle,
//! freeing it twice, using it afterwards or taking one kind for another, ends in `invalid_argument` and
//! never in foreign memory. In: what a handle stands for. Out: the same, shared, as long as it is used.

use std::any::Any;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use klatsch::{Error, ErrorCode};

/// A type that C knows by name only.
pub(crate) trait Handle {
    /// What stands behind the handle.
    type Object: Any + Send + Sync;
    /// The parameter's name in the header, for words.
    const NAME: &'static str;
}

/// Gives an object a handle.
pub(crate) fn put<H: Handle>(object: H::Object) -> *mut H {
    let object: Arc<dyn Any + Send + Sync> = Arc::new(object);
    let table = Table::own();
    let mut objects = table.objects.write().unwrap_or_else(PoisonError::into_inner);
    loop {
        let id = NEXT.fetch_add(STEP, Ordering::Relaxed);
        if id < FIRST {
            // Only 32 bits can get here: round the corner, past what is still in use.
            NEXT.store(FIRST, Ordering::Relaxed);
        } else if let std::collections::btree_map::Entry::Vacant(place) = objects.entry(id) {
            place.insert(object);
            return ptr::without_provenance_mut(id);
        }
    }
}

/// Finds what a handle stands for.
///
/// # Errors
/// `invalid_argument`: NULL, never made, freed, or of another kind. `forked`: made in a parent process.
pub(crate) fn get<H: Handle>(handle: *const H) -> Result<Arc<H::Object>, Error> {
    let table = Table::of(handle)?;
    let objects = table.objects.read().unwrap_or_else(PoisonError::into_inner);
    let object = objects.get(&handle.addr()).ok_or_else(unknown::<H>)?;
    Arc::clone(object).downcast().map_err(|_| wrong_kind::<H>())
}

/// Takes a handle back: from here on it stands for nothing.
///
/// # Errors
/// As [`get`].
pub(crate) fn take<H: Handle>(handle: *const H) -> Result<Arc<H::Object>, Error> {
    let table = Table::of(handle)?;
    let mut objects = table.objects.write().unwrap_or_else(PoisonError::into_inner);
    let object = objects.get(&handle.addr()).ok_or_else(unknown::<H>)?;
    let object = Arc::clone(object).downcast().map_err(|_| wrong_kind::<H>())?;
    objects.remove(&handle.addr());
    Ok(object)
}

/// How many handles this process holds.
pub(crate) fn count() -> usize {
    match Table::current() {
        Some(table) if table.process == std::process::id() => {
            table.objects.read().unwrap_or_else(PoisonError::into_inner).len()
        }
        _ => 0,
    }
}

fn null<H: Handle>() -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("{} is NULL", H::NAME))
}

fn unknown<H: Handle>() -> Error {
    let words = format!("{} is no handle: it was never made, or it was freed", H::NAME);
    Error::new(ErrorCode::InvalidArgument, words)
}

fn wrong_kind<H: Handle>() -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("{} is a handle of another type", H::NAME))
}

/// The handles of one process. A forked child never touches its parent's, whose lock another thread may
/// have held at the fork; it gets a table of its own with the first handle it makes.
struct Table {
    process: u32,
    /// Handles below this one are the parent's.
    first: usize,
    objects: RwLock<BTreeMap<usize, Arc<dyn Any + Send + Sync>>>,
}

impl Table {
    fn current() -> Option<&'static Table> {
        // SAFETY: TABLE is NULL or comes from `Box::into_raw` in `own`, and is never given back.
        unsafe { TABLE.load(Ordering::Acquire).as_ref() }
    }

    /// This process's table, made if there is none yet.
    fn own() -> &'static Table {
        let process = std::process::id();
        loop {
            let current = TABLE.load(Ordering::Acquire);
            if let Some(table) = Table::current().filter(|table| table.process == process) {
                return table;
            }
            let first = NEXT.load(Ordering::Relaxed);
            let fresh = Box::into_raw(Box::new(Table { process, first, objects: RwLock::default() }));
            if TABLE.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: `fresh` was made above and nobody else has seen it.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }

    /// The table that `handle` must be in.
    fn of<H: Handle>(handle: *const H) -> Result<&'static Table, Error> {
        if handle.is_null() {
            return Err(null::<H>());
        }
        let table = Table::current().ok_or_else(unknown::<H>)?;
        if table.process != std::process::id() || (FIRST..table.first).contains(&handle.addr()) {
            let words = format!("{} was made by the process that this one was forked from", H::NAME);
            return Err(Error::new(ErrorCode::Forked, words));
        }
        Ok(table)
    }
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

/// Not an address on any 64-bit machine, so that a program which looks behind a handle stops at once.
const FIRST: usize = 0x4B4C << (usize::BITS - 16);
/// Numbers beside a handle are none.
const STEP: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    struct Apple;
    struct Pear;
    impl Handle for Apple {
        type Object = &'static str;
        const NAME: &'static str = "apple";
    }
    impl Handle for Pear {
        type Object = u64;
        const NAME: &'static str = "pear";
    }

    fn refusal<T>(result: Result<T, Error>) -> String {
        let error = result.err().expect("a refusal");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        error.message()
    }

    #[test]
    fn a_handle_leads_to_its_object_until_it_is_taken_back() {
        let apple = put::<Apple>("red");
        assert_eq!(*get(apple).unwrap(), "red");
        assert_eq!(*take(apple).unwrap(), "red");
        assert!(refusal(get(apple)).contains("freed"));
        assert!(refusal(take(apple)).contains("freed"));
        assert_ne!(put::<Apple>("green"), apple);
    }

    #[test]
    fn what_is_no_handle_of_that_type_is_refused_and_not_looked_at() {
        let apple = put::<Apple>("red");
        assert!(refusal(get(apple.cast::<Pear>())).contains("another type"));
        assert!(refusal(take(apple.cast::<Pear>())).contains("another type"));
        assert!(refusal(get(ptr::null::<Pear>())).contains("pear is NULL"));
        for wrong in [1, 8, apple.addr() + 1, apple.addr() + 8, usize::MAX] {
            refusal(get(ptr::without_provenance::<Apple>(wrong)));
        }
        assert_eq!(*take(apple).unwrap(), "red");
    }
}
