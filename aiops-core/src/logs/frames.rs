//! Messages out of a stream of bytes.

use thiserror::Error;

/// A frame that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than the limit. The stream goes on behind it.
    #[error("message of {bytes} bytes at byte {offset} of the stream, at most {limit} are taken")]
    TooLong {
        /// Position in the stream.
        offset: u64,
        /// Length that it has, or that was read before it was given up.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// A digit that does not start a length and a blank. The stream goes on behind the next line
    /// feed.
    #[error("expected a length and a blank at byte {offset} of the stream")]
    BadLength {
        /// Position in the stream.
        offset: u64,
    },
}

/// Splits what comes over a TCP connection into messages, whatever the pieces it comes in.
///
/// Both framings of RFC 6587 are taken on the same connection, told apart by the first byte: a
/// digit starts a counted message (`46 <27>...`), anything else one that ends with a line feed or
/// a zero byte. Holds at most one message and what was pushed last.
///
/// ```
/// use aiops_core::logs::Frames;
///
/// let mut frames = Frames::new(8192);
/// frames.push(b"5 hello<13>one line\n<13>the sta");
/// assert_eq!(frames.next_frame(), Some(Ok(&b"hello"[..])));
/// assert_eq!(frames.next_frame(), Some(Ok(&b"<13>one line"[..])));
/// assert_eq!(frames.next_frame(), None);
/// frames.push(b"rt of another");
/// assert_eq!(frames.finish(), Some(&b"<13>the start of another"[..]));
/// ```
#[derive(Clone, Debug)]
pub struct Frames {
    limit: usize,
    buffer: Vec<u8>,
    /// Where the next message starts in the buffer.
    at: usize,
    /// Position of the buffer in the stream.
    offset: u64,
    skip: Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    Bytes(u64),
    /// To behind the next line feed or zero byte.
    Line,
}

/// Where the message ends that `bytes` start with.
fn end_of(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'\n' | 0))
}

/// Digits of a length that are read.
const MAX_DIGITS: usize = 10;

impl Frames {
    /// Takes messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            at: 0,
            offset: 0,
            skip: Skip::Nothing,
        }
    }

    /// Adds bytes as they came. All frames should be taken before the next push; otherwise the
    /// buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for a message that is left out; call again for the one behind it.
    pub fn next_frame(&mut self) -> Option<Result<&[u8], FrameError>> {
        loop {
            if !self.skipped() {
                return None;
            }
            let rest = &self.buffer[self.at..];
            let found = if rest.first()?.is_ascii_digit() {
                self.counted()
            } else {
                self.terminated()
            }?;
            match found {
                // Between two messages.
                Ok((start, end)) if start == end => {}
                Ok((start, end)) => return Some(Ok(&self.buffer[start..end])),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// What is left when the stream has ended: a message without its end.
    pub fn finish(&mut self) -> Option<&[u8]> {
        let start = std::mem::replace(&mut self.at, self.buffer.len());
        let is_message = self.skip == Skip::Nothing
            && self
                .buffer
                .get(start)
                .is_some_and(|byte| !byte.is_ascii_digit());
        is_message.then(|| &self.buffer[start..])
    }

    /// Moves over what is to be left out; answers whether all of it has come.
    fn skipped(&mut self) -> bool {
        let rest = &self.buffer[self.at..];
        match self.skip {
            Skip::Nothing => {}
            Skip::Bytes(bytes) => {
                let here = bytes.min(rest.len() as u64);
                self.at += here as usize;
                if here < bytes {
                    self.skip = Skip::Bytes(bytes - here);
                    return false;
                }
            }
            Skip::Line => {
                let Some(end) = end_of(rest) else {
                    self.at = self.buffer.len();
                    return false;
                };
                self.at += end + 1;
            }
        }
        self.skip = Skip::Nothing;
        true
    }

    fn counted(&mut self) -> Option<Result<(usize, usize), FrameError>> {
        let offset = self.offset + self.at as u64;
        let rest = &self.buffer[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == rest.len() && digits <= MAX_DIGITS {
            return None;
        }
        let length = (digits <= MAX_DIGITS && rest.get(digits) == Some(&b' ')).then(|| {
            let digits = rest[..digits].iter();
            digits.fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'))
        });
        let Some(bytes) = length else {
            self.skip = Skip::Line;
            return Some(Err(FrameError::BadLength { offset }));
        };
        let start = self.at + digits + 1;
        if bytes > self.limit as u64 {
            self.at = start;
            self.skip = Skip::Bytes(bytes);
            let limit = self.limit;
            return Some(Err(FrameError::TooLong {
                offset,
                bytes,
                limit,
            }));
        }
        let end = start + bytes as usize;
        if end > self.buffer.len() {
            return None;
        }
        self.at = end;
        Some(Ok((start, end)))
    }

    fn terminated(&mut self) -> Option<Result<(usize, usize), FrameError>> {
        let rest = &self.buffer[self.at..];
        let end = end_of(rest);
        let bytes = end.unwrap_or(rest.len());
        if bytes > self.limit {
            let error = FrameError::TooLong {
                offset: self.offset + self.at as u64,
                bytes: bytes as u64,
                limit: self.limit,
            };
            // The end may still come; what was read of it is given up now.
            if end.is_none() {
                self.skip = Skip::Line;
            }
            self.at += end.map_or(bytes, |end| end + 1);
            return Some(Err(error));
        }
        let end = end?;
        let start = self.at;
        self.at += end + 1;
        let is_crlf = end > 0 && self.buffer[start + end - 1] == b'\r';
        Some(Ok((start, start + end - usize::from(is_crlf))))
    }
}
