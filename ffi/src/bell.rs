//! How a host that has a loop of its own learns that events wait: a descriptor that is readable as long as
//! it was rung and not cleared. Knows nothing of events.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use nix::sys::eventfd::{EfdFlags, EventFd};

    pub(super) struct Wire(pub(super) EventFd);

    impl Wire {
        pub(super) fn new() -> std::io::Result<Wire> {
            Ok(Wire(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?))
        }

        pub(super) fn ring(&self) {
            // It can fail only where the counter is full, and then it is readable already.
            let _ = self.0.write(1);
        }

        pub(super) fn clear(&self) {
            // It fails where nobody has rung.
            let _ = self.0.read();
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    pub(super) struct Wire(pub(super) UnixStream, UnixStream);

    impl Wire {
        pub(super) fn new() -> std::io::Result<Wire> {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            write.set_nonblocking(true)?;
            Ok(Wire(read, write))
        }

        pub(super) fn ring(&self) {
            // It can fail only where the buffer is full, and then it is readable already.
            let _ = (&self.1).write(&[1]);
        }

        pub(super) fn clear(&self) {
            // It fails where nobody has rung, or when all is read.
            while (&self.0).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        }
    }
}

/// A descriptor to wait on: non-blocking, and closed on exec.
pub(crate) struct Bell(system::Wire);

impl Bell {
    /// # Errors
    /// The process or the system has no descriptor left.
    pub(crate) fn new() -> io::Result<Bell> {
        system::Wire::new().map(Bell)
    }

    /// The descriptor, open as long as the bell lives.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }

    /// Makes it readable.
    pub(crate) fn ring(&self) {
        self.0.ring();
    }

    /// Makes it unreadable until somebody rings.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}
