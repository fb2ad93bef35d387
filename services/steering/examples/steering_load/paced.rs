//! Requests at a rate, whether or not those before are answered.
//!
//! One thread sleeps until requests are due and sends them, over all connections by turns; a thread
//! for each connection reads its answers. Nobody spins: server and generator share two cores, with
//! each other and with whoever else is there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::load::{Asked, Plan, whole};
use crate::machine;

/// Requests come in groups of those that are due within this time, which is shorter than what is to
/// be measured and long enough to sleep.
const TICK: Duration = Duration::from_micros(200);

/// Asks at `rate` requests a second. Time counts from when a request was due.
pub(crate) fn ask(address: SocketAddr, plan: &Plan, rate: u64, requests: &[Vec<u8>]) -> Asked {
    std::thread::scope(|scope| {
        let mut lines = Vec::new();
        let mut readers = Vec::new();
        for _ in 0..plan.connections {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            let (line, due) = (stream.try_clone().unwrap(), channel());
            lines.push((line, due.0));
            readers.push(scope.spawn(|| read(stream, due.1)));
        }
        let sender = scope.spawn(|| send(lines, plan.lasting, rate, requests));
        let mut asked = Asked { took: Vec::new(), bytes: 0, cpu_seconds: sender.join().unwrap() };
        for reader in readers {
            let read = reader.join().unwrap();
            asked.took.extend(read.took);
            asked.bytes += read.bytes;
            asked.cpu_seconds += read.cpu_seconds;
        }
        asked
    })
}

/// Sends for so long; the CPU-seconds of it. Readers end when their senders of due times have gone.
fn send(
    mut lines: Vec<(TcpStream, Sender<Instant>)>,
    lasting: Duration,
    rate: u64,
    requests: &[Vec<u8>],
) -> f64 {
    let (started, connections) = (Instant::now(), lines.len());
    let (mut sent, mut tick) = (0, 0);
    while TICK * tick < lasting {
        tick += 1;
        let due = started + TICK * tick;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let wanted = (TICK * tick).as_secs_f64() * rate as f64;
        while (sent as f64) < wanted {
            let (line, due_times) = &mut lines[sent % connections];
            due_times.send(due).unwrap();
            line.write_all(&requests[sent % requests.len()]).unwrap();
            sent += 1;
        }
    }
    machine::cpu_seconds_of_this_thread()
}

/// Reads an answer for each request, in order.
fn read(mut stream: TcpStream, due_times: Receiver<Instant>) -> Asked {
    let (mut buffer, mut have) = (vec![0; 256 << 10], 0);
    let (mut took, mut bytes) = (Vec::with_capacity(1 << 16), 0);
    for due in due_times {
        let length = loop {
            if let Some(length) = whole(&buffer[..have]) {
                break length;
            }
            let more = stream.read(&mut buffer[have..]).unwrap();
            assert!(more > 0, "the server hung up");
            have += more;
        };
        took.push(due.elapsed());
        bytes += length;
        buffer.copy_within(length..have, 0);
        have -= length;
    }
    Asked { took, bytes, cpu_seconds: machine::cpu_seconds_of_this_thread() }
}
