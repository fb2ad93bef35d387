//! Ending a run at once.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::place::Place;
use crate::model::RunEnd;
use crate::worker::lock::Holder;

/// Pause between two looks at the lock of a process that is being killed.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends the run at once, or makes sure that it never begins. Blocks until it is over; fails if the
/// kernel takes longer than `timeout`.
pub(super) fn kill(place: &Place, run: &str, timeout: Duration) -> io::Result<()> {
    if place.cancel(run)? {
        let reason = "cancelled before it began".to_owned();
        return place.leave_end(run, &RunEnd::Lost { reason });
    }
    let mut waited = Duration::ZERO;
    while let Some(holder) = place.holder()?.filter(|holder| holder.run == run) {
        if waited >= timeout {
            let what = format!("process {} does not end", holder.pid);
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        signal(&holder)?;
        std::thread::sleep(PAUSE);
        waited += PAUSE;
    }
    place.leave_end(run, &RunEnd::Lost { reason: "killed by the control plane".to_owned() })
}

/// Sends SIGKILL to the process that is meant, and to none that has got its number since.
#[cfg(target_os = "linux")]
fn signal(holder: &Holder) -> io::Result<()> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let Some(pid) = pid(holder) else { return Ok(()) };
    let sent = pidfd_open(pid, PidfdFlags::empty()).and_then(|process| {
        // From here on the handle means one process, so what is true of the number is true of it.
        if holder.is_alive() { pidfd_send_signal(process, Signal::KILL) } else { Ok(()) }
    });
    gone_is_fine(sent)
}

#[cfg(not(target_os = "linux"))]
fn signal(holder: &Holder) -> io::Result<()> {
    let Some(pid) = pid(holder).filter(|_| holder.is_alive()) else { return Ok(()) };
    gone_is_fine(rustix::process::kill_process(pid, Signal::KILL))
}

fn pid(holder: &Holder) -> Option<Pid> {
    i32::try_from(holder.pid).ok().and_then(Pid::from_raw)
}

fn gone_is_fine(sent: Result<(), Errno>) -> io::Result<()> {
    match sent {
        Err(Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
