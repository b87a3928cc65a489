//! As much HTTP as is needed to talk to programs on this machine.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection that is used again and again.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream })
    }

    /// Sends a request as it is; the answer is to be fetched later.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(request)
    }

    /// Status and body of the next answer.
    pub(crate) fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let head = read_head(&mut self.stream)?;
        let status = head.first.split(' ').nth(1);
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(head.first))?;
        let mut body = Vec::new();
        match head.length {
            Some(length) => {
                body.resize(length, 0);
                self.stream.read_exact(&mut body)?;
            }
            None if status == 204 => {}
            None => {
                self.stream.read_to_end(&mut body)?;
            }
        }
        Ok((status, body))
    }
}

/// What stands before the body of a request or an answer.
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) length: Option<usize>,
}

pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Head> {
    let mut first = String::new();
    if stream.read_line(&mut first)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (mut length, mut line) = (None, String::new());
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok(Head { first, length });
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
}

/// The bytes of a remote-write request.
pub(crate) fn remote_write(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: snappy\r\n\
         Content-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What a program answers to a plain question.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut connection = Connection::open(address)?;
    // HTTP/1.0, so that the body comes in one piece.
    connection.send(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let (status, body) = connection.answer()?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
