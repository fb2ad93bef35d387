//! Where the embedded broker listens, and when it does.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpStream;

/// Between two looks for the broker.
const PAUSE: Duration = Duration::from_millis(20);
/// One try of a connection.
const TRY: Duration = Duration::from_millis(500);

/// The address for the broker of `data`. Port 0 becomes a free one, which is kept: workers that
/// outlive a broker look for its successor where it was.
pub(crate) fn address(data: &Path, asked: SocketAddr) -> anyhow::Result<SocketAddr> {
    if asked.port() != 0 {
        return Ok(asked);
    }
    let path = data.join("broker.address");
    let kept = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(kept) = kept.filter(|kept: &SocketAddr| kept.ip() == asked.ip()) {
        return Ok(kept);
    }
    let free = TcpListener::bind(asked).and_then(|listener| listener.local_addr());
    let free = free.with_context(|| format!("a free port of {}", asked.ip()))?;
    std::fs::write(&path, free.to_string()).with_context(|| format!("write {}", path.display()))?;
    Ok(free)
}

/// Returns once something listens on `address`.
pub(crate) async fn listens(address: SocketAddr) {
    loop {
        match tokio::time::timeout(TRY, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return,
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_port_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let first = address(folder.path(), any).unwrap();
        assert_ne!(first.port(), 0);
        assert_eq!(address(folder.path(), any).unwrap(), first);
        let asked: SocketAddr = "127.0.0.1:19092".parse().unwrap();
        assert_eq!(address(folder.path(), asked).unwrap(), asked);
    }
}
