//! A keep-alive HTTP/1.1 connection that sends prepared bytes and reads no more of the answer than
//! it has to: load and server share the processors, so that a client's work is taken from the
//! server.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(4_096),
        })
    }

    /// Sends a request and gives back the status of its answer, once that is read to the end.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, length)) = parse(&self.answer)?
                && self.answer.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// Status and length of an answer, head and body, once its head is complete.
fn parse(answer: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let unreadable = || io::Error::from(io::ErrorKind::InvalidData);
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| unreadable())?;
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let (Some(status), Some(body)) = (status, body) else {
        return Err(unreadable());
    };
    Ok(Some((status, end + 4 + body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(parse(answer).unwrap(), Some((200, answer.len())));
        assert_eq!(parse(&answer[..30]).unwrap(), None);
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
