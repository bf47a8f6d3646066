//! Wait for sockets, other threads and timeouts (epoll, eventfd).

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// The events to wait for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Readable, level-triggered.
    Readable,
    /// Readable or writable, level-triggered.
    ReadableOrWritable,
    /// Readable, edge-triggered (`EPOLLET`): one event per arrival; a caller that reads until the
    /// socket is empty saves the kernel a second check of every socket.
    EdgeReadable,
}

impl Interest {
    fn bits(self) -> u32 {
        let bits = match self {
            Self::Readable => libc::EPOLLIN,
            Self::ReadableOrWritable => libc::EPOLLIN | libc::EPOLLOUT,
            Self::EdgeReadable => libc::EPOLLIN | libc::EPOLLET,
        };
        bits as u32
    }
}

/// Readiness of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The token it was added with.
    pub token: u64,
    /// Reading will not block.
    pub readable: bool,
    /// Writing will not block.
    pub writable: bool,
}

/// Wait for many descriptors at once (epoll).
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
    /// `epoll_pwait2` is available: kernels before 5.11 have timeouts of whole milliseconds.
    fine_timeout: bool,
}

impl Poller {
    /// Open a poller that reports up to `capacity` descriptors per wait.
    ///
    /// # Errors
    /// The kernel's error, e.g. that too many descriptors are open.
    pub fn new(capacity: usize) -> io::Result<Self> {
        // SAFETY: the call takes no pointers; its result is checked before it is owned.
        let epoll = unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }?;
        Ok(Self {
            epoll,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; capacity.max(1)],
            fine_timeout: true,
        })
    }

    /// Watch a descriptor and report it as `token`.
    ///
    /// # Errors
    /// The kernel's error, e.g. that the descriptor is watched already.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Change the events of a watched descriptor.
    ///
    /// # Errors
    /// The kernel's error, e.g. that the descriptor is not watched.
    pub fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Stop watching a descriptor; closing it does the same.
    ///
    /// # Errors
    /// The kernel's error, e.g. that the descriptor is not watched.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::Readable)
    }

    fn control(
        &self,
        operation: i32,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.bits(),
            u64: token,
        };
        // SAFETY: both descriptors are open for the time of the call and the event outlives it.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                operation,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        check(result).map(drop)
    }

    /// Wait until a descriptor is ready or `timeout` (in nanoseconds; none = forever) expires.
    ///
    /// An interrupted wait is reported as a timeout.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn wait(
        &mut self,
        timeout: Option<Duration>,
    ) -> io::Result<impl ExactSizeIterator<Item = Ready> + '_> {
        let result = if self.fine_timeout {
            self.wait_fine(timeout)
        } else {
            self.wait_coarse(timeout)
        };
        let count = match result {
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(libc::ENOSYS) && self.fine_timeout => {
                self.fine_timeout = false;
                self.wait_coarse(timeout)?
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(self.events[..count].iter().map(|event| {
            let bits = event.events as i32;
            // Errors and hang-ups are reported as readable; the read returns the error.
            let broken = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
            Ready {
                token: event.u64,
                readable: broken || bits & libc::EPOLLIN != 0,
                writable: bits & libc::EPOLLOUT != 0,
            }
        }))
    }

    fn wait_fine(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let spec = timeout.map(|timeout| libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let spec = spec.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the event array has the stated length, `spec` is null or points at a local that
        // outlives the call, and a null signal mask leaves the mask alone.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                spec,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    fn wait_coarse(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        // Rounded up: a wait that ends too early would spin until the timeout.
        let millis = timeout.map_or(-1, |timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        // SAFETY: the event array has the stated length and outlives the call.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                millis,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// Wakes a poller or asyncio's event loop from any thread (eventfd).
pub struct Waker(OwnedFd);

impl Waker {
    /// Open a waker, not readable yet.
    ///
    /// # Errors
    /// The kernel's error, e.g. that too many descriptors are open.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers; its result is checked before it is owned.
        let fd = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) }?;
        Ok(Self(fd))
    }

    /// Make the descriptor readable until [`drain`](Self::drain).
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: the pointer and the length describe `one`. The write can only fail where the
        // counter is full, and then the descriptor is readable already.
        unsafe {
            libc::write(
                self.0.as_raw_fd(),
                ptr::from_ref(&one).cast(),
                mem::size_of::<u64>(),
            )
        };
    }

    /// Reset all wake-ups so far.
    pub fn drain(&self) {
        let mut count = 0u64;
        // SAFETY: the pointer and the length describe `count`. Nothing to read is no error here.
        unsafe {
            libc::read(
                self.0.as_raw_fd(),
                ptr::from_mut(&mut count).cast(),
                mem::size_of::<u64>(),
            )
        };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Own a descriptor that a system call just returned.
///
/// # Safety
/// `fd` is negative, or open without another owner.
unsafe fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: the caller promises it, and it is not negative.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_waker_ends_the_wait_until_it_is_drained() {
        let mut poller = Poller::new(4).unwrap();
        let waker = Waker::new().unwrap();
        poller.add(waker.as_fd(), 7, Interest::Readable).unwrap();
        waker.wake();
        waker.wake();
        let ready: Vec<_> = poller.wait(None).unwrap().collect();
        assert_eq!(ready.len(), 1);
        assert_eq!((ready[0].token, ready[0].readable), (7, true));
        waker.drain();
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap().len(), 0);
    }

    #[test]
    fn an_edge_triggered_event_is_reported_once_for_each_arrival() {
        let mut poller = Poller::new(4).unwrap();
        let waker = Waker::new().unwrap();
        poller
            .add(waker.as_fd(), 7, Interest::EdgeReadable)
            .unwrap();
        for _ in 0..2 {
            waker.wake();
            assert_eq!(poller.wait(None).unwrap().len(), 1);
            assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap().len(), 0);
        }
    }

    #[test]
    fn a_wait_is_finer_than_a_millisecond() {
        let mut poller = Poller::new(1).unwrap();
        let shortest = (0..20)
            .map(|_| {
                let start = Instant::now();
                assert_eq!(
                    poller.wait(Some(Duration::from_micros(200))).unwrap().len(),
                    0
                );
                start.elapsed()
            })
            .min()
            .unwrap();
        assert!(shortest >= Duration::from_micros(200));
        assert!(shortest < Duration::from_millis(1), "{shortest:?}");
    }
}
