//! Event: parses what `src/bpf/execwatch.bpf.c` sends.

use std::fmt;

/// The execution of a program or the exit of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) uid: u32,
    /// Nanoseconds since boot at which the process started.
    pub(crate) start_boottime: u64,
    /// Nanoseconds from the start of the process to the event.
    pub(crate) age: u64,
    pub(crate) comm: String,
}

/// The kind of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Exec {
        filename: String,
        args: Vec<String>,
        /// Whether there were more arguments than fit into an event.
        cut: bool,
    },
    Exit(Ending),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Status(u8),
    Signal(u8),
}

/// Error of parsing a sample.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Short { have: usize, need: usize },
    Kind(u32),
}

impl Event {
    /// Parses one sample, a `struct event` of `src/bpf/execwatch.h`.
    ///
    /// The kernel pads samples, so bytes after the event are ignored.
    ///
    /// # Errors
    /// If the sample is too short or its kind is unknown.
    pub(crate) fn parse(sample: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields { sample, offset: 0 };
        let start_boottime = u64::from_ne_bytes(fields.array()?);
        let age = u64::from_ne_bytes(fields.array()?);
        let kind = u32::from_ne_bytes(fields.array()?);
        let pid = u32::from_ne_bytes(fields.array()?);
        let ppid = u32::from_ne_bytes(fields.array()?);
        let uid = u32::from_ne_bytes(fields.array()?);
        let exit_code = u32::from_ne_bytes(fields.array()?);
        let args_len = u32::from_ne_bytes(fields.array()?);
        let cut = u32::from_ne_bytes(fields.array()?) != 0;
        let comm = c_string(&fields.array::<16>()?);
        let filename = c_string(&fields.array::<128>()?);
        let args = fields.bytes(usize::try_from(args_len).unwrap_or(usize::MAX))?;
        let kind = match kind {
            1 => Kind::Exec { filename, args: split_args(args), cut },
            2 => Kind::Exit(Ending::from_code(exit_code)),
            other => return Err(Malformed::Kind(other)),
        };
        Ok(Self { kind, pid, ppid, uid, start_boottime, age, comm })
    }
}

impl Ending {
    /// Parses the kernel's `exit_code`: the signal is in the low seven bits, the status in the second byte.
    fn from_code(code: u32) -> Self {
        let [low, status, _, _] = code.to_le_bytes();
        match low & 0x7f {
            0 => Self::Status(status),
            signal => Self::Signal(signal),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { have, need } => write!(f, "sample has {have} bytes, at least {need} expected"),
            Self::Kind(kind) => write!(f, "unknown kind of event: {kind}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads one field of a sample after the other.
struct Fields<'a> {
    sample: &'a [u8],
    offset: usize,
}

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.offset.saturating_add(len);
        let bytes = self
            .sample
            .get(self.offset..end)
            .ok_or(Malformed::Short { have: self.sample.len(), need: end })?;
        self.offset = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }
}

fn c_string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn split_args(bytes: &[u8]) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample as the kernel sends it, with eight bytes of padding.
    fn sample(kind: u32, exit_code: u32, args: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(5_000_000_000u64.to_ne_bytes());
        bytes.extend(42u64.to_ne_bytes());
        for field in [kind, 11, 10, 1000, exit_code, args.len() as u32, 0] {
            bytes.extend(field.to_ne_bytes());
        }
        bytes.extend(b"sh\0rubbish\0\0\0\0\0\0");
        bytes.extend(b"/bin/sh\0");
        bytes.extend([0xaa; 120]);
        bytes.extend(args);
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn parses_what_the_kernel_sends() {
        let check = |kind, exit_code, args: &[u8], expect: Kind| {
            let event = Event::parse(&sample(kind, exit_code, args)).unwrap();
            assert_eq!(
                event,
                Event {
                    kind: expect,
                    pid: 11,
                    ppid: 10,
                    uid: 1000,
                    start_boottime: 5_000_000_000,
                    age: 42,
                    comm: "sh".into()
                }
            );
        };
        let exec = |args: &[&str]| Kind::Exec {
            filename: "/bin/sh".into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            cut: false,
        };
        check(1, 0, b"", exec(&[]));
        check(1, 0, b"\0", exec(&[""]));
        check(1, 0, b"sh\0-c\0exit 7\0", exec(&["sh", "-c", "exit 7"]));
        check(1, 0, b"a\0\0b", exec(&["a", "", "b"]));
        check(1, 0, b"\xff\0", exec(&["\u{fffd}"]));
        check(2, 0, b"", Kind::Exit(Ending::Status(0)));
        check(2, 7 << 8, b"", Kind::Exit(Ending::Status(7)));
        check(2, 9, b"", Kind::Exit(Ending::Signal(9)));
        check(2, 11 | 0x80, b"", Kind::Exit(Ending::Signal(11)));
    }

    #[test]
    fn malformed_samples_are_errors() {
        let whole = sample(1, 0, b"sh\0");
        let used = whole.len() - 8;
        for len in 0..used {
            let error = Event::parse(&whole[..len]).unwrap_err();
            assert!(
                matches!(error, Malformed::Short { have, need } if have == len && need > len),
                "{len}: {error}"
            );
        }
        assert!(Event::parse(&whole[..used]).is_ok());
        assert_eq!(Event::parse(&sample(3, 0, b"")), Err(Malformed::Kind(3)));
        let mut endless = sample(1, 0, b"");
        endless[36..40].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(matches!(Event::parse(&endless), Err(Malformed::Short { .. })));
    }
}
