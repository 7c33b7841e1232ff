//! Where each request of an HTTP/1 connection begins: for what hyper does not tell of it.
//!
//! The parser of request targets drops a fragment without a word, so a `DELETE /a#b` would arrive as a `DELETE /a`. The
//! bytes are looked at as they are read: the socket hands out a head and no byte behind it, hyper parses it and calls
//! the service, and the service says what body hyper found. So there is one parser of requests, hyper's, also where they
//! are pipelined.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::limits::Last;
use crate::pulse::Pulse;

/// What the socket of a connection and its requests tell each other. Over HTTP/1 all of it happens in the connection's own task.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Raised: the connection's end is a reset, which no client takes for the end of a body.
    pub(crate) reset: AtomicBool,
    /// The target of the request that was read last has a fragment.
    fragment: AtomicBool,
    /// A head was handed out that was no request to hyper: what it finds behind that was not looked at.
    lost: AtomicBool,
    /// The length of the body behind the head that was read last, or one of the values below.
    body: AtomicU64,
    /// Whether the connection moves.
    pub(crate) pulse: Pulse,
    /// Where its last request queued.
    pub(crate) last: Last,
}

/// What is known of a request's target beyond what hyper tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// It is all of what was sent.
    Whole,
    /// It had a fragment.
    Fragment,
    /// It may have had one: hyper and we do not read the same requests any more, and none is acted on by half.
    Unknown,
}

/// Nobody said yet.
const UNSAID: u64 = u64::MAX;
/// It comes in chunks.
const CHUNKED: u64 = u64::MAX - 1;

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            reset: AtomicBool::new(false),
            fragment: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            body: AtomicU64::new(UNSAID),
            pulse: Pulse::new(),
            last: Last::default(),
        }
    }

    /// The head that was read last is a request with such a body; `None`: in chunks. To be called before more is read from
    /// the socket.
    pub(crate) fn begins(&self, body: Option<u64>) -> Target {
        self.body.store(body.unwrap_or(CHUNKED), Ordering::Relaxed);
        match (self.lost.load(Ordering::Relaxed), self.fragment.swap(false, Ordering::Relaxed)) {
            (true, _) => Target::Unknown,
            (false, true) => Target::Fragment,
            (false, false) => Target::Whole,
        }
    }
}

/// The place in what a client sends.
#[derive(Debug)]
pub(crate) enum Place {
    /// Not looked at: HTTP/2, or what hyper refused.
    Unseen,
    /// Before a request line, where empty lines are skipped (RFC 9112 section 2.2).
    Before,
    Line {
        /// The method is over.
        in_target: bool,
    },
    Fields {
        /// The line has no character so far.
        empty: bool,
    },
    /// Behind a head.
    Head,
    Body {
        left: u64,
    },
    ChunkSize {
        size: u64,
        /// The digits are over.
        read: bool,
    },
    Chunk {
        left: u64,
    },
    Trailers {
        empty: bool,
    },
}

impl Place {
    /// Goes on over bytes that were read; answers how many of them may be handed out now.
    pub(crate) fn pass(&mut self, bytes: &[u8], wire: &Wire) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            // A body is not searched for line ends: it would cost a fifth of an upload's CPU time.
            let end = if self.is_in_lines() { rest.iter().position(|byte| *byte == b'\n') } else { None };
            let (line, ended) = end.map_or((rest, 0), |end| (&rest[..end], 1));
            let blank = line.iter().all(|byte| *byte == b'\r');
            at += match self {
                Self::Unseen => return bytes.len(),
                Self::Before if blank => line.len() + ended,
                Self::Before => {
                    wire.pulse.head_begins();
                    *self = Self::Line { in_target: false };
                    0
                }
                Self::Line { in_target } => {
                    let target = if *in_target { Some(0) } else { line.iter().position(|byte| *byte == b' ') };
                    if let Some(target) = target {
                        *in_target = true;
                        if line[target..].contains(&b'#') {
                            wire.fragment.store(true, Ordering::Relaxed);
                        }
                    }
                    if ended > 0 {
                        *self = Self::Fields { empty: true };
                    }
                    line.len() + ended
                }
                Self::Fields { empty } => {
                    *empty &= blank;
                    match (*empty, ended > 0) {
                        (true, true) => {
                            wire.body.store(UNSAID, Ordering::Relaxed);
                            *self = Self::Head;
                            return at + line.len() + ended;
                        }
                        (false, true) => *empty = true,
                        _ => {}
                    }
                    line.len() + ended
                }
                Self::Head => {
                    *self = match wire.body.load(Ordering::Relaxed) {
                        // What looked like a head was none to hyper. As a rule no request comes of it or after it.
                        UNSAID => {
                            wire.lost.store(true, Ordering::Relaxed);
                            Self::Unseen
                        }
                        CHUNKED => Self::ChunkSize { size: 0, read: false },
                        0 => Self::Before,
                        left => Self::Body { left },
                    };
                    0
                }
                Self::Body { left } | Self::Chunk { left } => {
                    let taken = (*left).min(rest.len() as u64);
                    *left -= taken;
                    if *left == 0 {
                        *self = match self {
                            Self::Chunk { .. } => Self::ChunkSize { size: 0, read: false },
                            _ => Self::Before,
                        };
                    }
                    // No more than what was read.
                    taken as usize
                }
                Self::ChunkSize { size, read } => {
                    for byte in line {
                        match char::from(*byte).to_digit(16).filter(|_| !*read) {
                            Some(digit) => *size = size.saturating_mul(16).saturating_add(digit.into()),
                            None => *read = true,
                        }
                    }
                    if ended > 0 {
                        *self = match size {
                            0 => Self::Trailers { empty: true },
                            // The line end behind it too.
                            size => Self::Chunk { left: size.saturating_add(2) },
                        };
                    }
                    line.len() + ended
                }
                Self::Trailers { empty } => {
                    *empty &= blank;
                    match (*empty, ended > 0) {
                        (true, true) => *self = Self::Before,
                        (false, true) => *empty = true,
                        _ => {}
                    }
                    line.len() + ended
                }
            };
        }
        at
    }

    fn is_in_lines(&self) -> bool {
        !matches!(self, Self::Unseen | Self::Head | Self::Body { .. } | Self::Chunk { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `text` in pieces of `size` bytes through a place, with `bodies` as what hyper finds behind each head, and
    /// answers which of the requests had a fragment.
    fn requests(text: &str, size: usize, bodies: &[Option<u64>]) -> Vec<bool> {
        let (wire, mut place) = (Wire::new(), Place::Before);
        let (mut found, mut bodies) = (Vec::new(), bodies.iter());
        for mut piece in text.as_bytes().chunks(size) {
            while !piece.is_empty() {
                let passed = place.pass(piece, &wire);
                assert!(passed > 0, "nothing is handed out at {place:?}");
                piece = &piece[passed..];
                if matches!(place, Place::Head) {
                    found.push(wire.begins(*bodies.next().unwrap()) == Target::Fragment);
                }
            }
        }
        found
    }

    #[test]
    fn the_fragment_of_each_pipelined_request_is_seen_however_its_bytes_arrive() {
        let text = "GET /a HTTP/1.1\r\nX: #\r\n\r\n\
                    PUT /b#c HTTP/1.1\r\nContent-Length: 25\r\n\r\nDELETE /d# HTTP/1.1\r\n\r\n##\
                    \r\n\nPUT /e?f HTTP/1.1\nTransfer-Encoding: chunked\n\n\
                    1a;x=#\r\nDELETE /g#\r\n\r\nDELETE /h#\r\n\r\n0\r\nTrailer: #\r\n\r\n\
                    A#B /i HTTP/1.1\r\n\r\nGET /j?k#l HTTP/1.1\r\n\r\nGET http://m#n HTTP/1.1\r\n\r\nGET /o HTTP/1.1\r\n\r\n";
        let bodies = [Some(0), Some(25), None, Some(0), Some(0), Some(0), Some(0)];
        for size in 1..=text.len() {
            let found = requests(text, size, &bodies);
            assert_eq!(found, [false, true, false, false, true, true, false], "in pieces of {size}");
        }
    }

    #[test]
    fn behind_a_head_nothing_is_handed_out_before_the_request_is_known() {
        let (wire, mut place) = (Wire::new(), Place::Before);
        let text = b"GET /a HTTP/1.1\r\n\r\nGET /b#c HTTP/1.1\r\n\r\n";
        assert_eq!(place.pass(text, &wire), 19);
        assert_eq!(wire.begins(Some(0)), Target::Whole);
        assert_eq!(place.pass(&text[19..], &wire), text.len() - 19);
        assert_eq!(wire.begins(Some(0)), Target::Fragment);
    }

    #[test]
    fn what_is_refused_and_what_is_not_http_1_passes_unseen() {
        let (wire, mut place) = (Wire::new(), Place::Before);
        assert_eq!(place.pass(b"\0 \r\n\r\nmore", &wire), 6);
        assert_eq!(place.pass(b"more", &wire), 4);
        assert!(matches!(place, Place::Unseen));
        assert_eq!(wire.begins(Some(0)), Target::Unknown);
        assert_eq!(Place::Unseen.pass(b"PRI * HTTP/2.0\r\n\r\nSM", &wire), 20);
    }
}
