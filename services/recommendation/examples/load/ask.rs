//! The generator of requests: a thread for each connection, asleep while nothing is due. A timer of
//! the runtime would be a millisecond late and send many at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Plan;
use crate::world::mix;

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// How long each request took.
    pub(crate) took: Vec<Duration>,
    /// Answers other than a page.
    pub(crate) failed: u64,
    /// Bytes of all answers.
    pub(crate) bytes: usize,
}

/// Asks on all connections until the time is over.
pub(crate) fn all(address: SocketAddr, plan: Plan) -> Asked {
    let started = Instant::now();
    let client = |number| std::thread::spawn(move || client(address, plan, number, started));
    let clients: Vec<_> = (0..plan.connections).map(client).collect();
    let mut all = Asked::default();
    for asked in clients {
        let asked = asked.join().unwrap();
        all.took.extend(asked.took);
        all.failed += asked.failed;
        all.bytes += asked.bytes;
    }
    all
}

fn client(address: SocketAddr, plan: Plan, number: usize, started: Instant) -> Asked {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut asked, mut buffer) = (Asked::default(), vec![0; 256 << 10]);
    let lasting = Duration::from_secs(plan.seconds);
    for turn in 0_u64.. {
        let nth = number as u64 + turn * plan.connections as u64;
        let due = match plan.rate {
            0 => Instant::now(),
            rate => started + Duration::from_nanos(nth * 1_000_000_000 / rate),
        };
        if due.duration_since(started) > lasting {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let member = mix(nth.cast_signed()) % plan.members;
        let request =
            format!("GET /v1/members/{member}/feed?device=tv HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let bytes = answer(&mut stream, &mut buffer);
        asked.took.push(due.elapsed());
        asked.bytes += bytes;
        asked.failed += u64::from(!buffer.starts_with(b"HTTP/1.1 200"));
    }
    asked
}

/// Reads one answer; its length.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let (mut have, mut want) = (0, usize::MAX);
    while have < want {
        let more = stream.read(&mut buffer[have..]).unwrap();
        assert!(more > 0, "the server hung up");
        have += more;
        if want == usize::MAX
            && let Some(end) = buffer[..have].windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&buffer[..end]).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            want = end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap());
        }
    }
    assert_eq!(have, want, "one answer at a time");
    have
}
