//! Cpio: an archive of files in the "newc" format, which kernels unpack as their first root file system.

/// Names the end of the archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive under construction; a folder must be added before what lies in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

impl Cpio {
    /// Adds a folder.
    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, 0o040_755, &[], (0, 0));
    }

    /// Adds a file that everyone may read and execute.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, 0o100_755, content, (0, 0));
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, 0o020_600, &[], (major, minor));
    }

    /// The archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[], (0, 0));
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], (major, minor): (u32, u32)) {
        self.entries += 1;
        let (len, name_len) = (content.len() as u32, path.len() as u32 + 1);
        // Inode, mode, owner, group, links, time, size, device of the file, device it stands for, name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, len, 0, 0, major, minor, name_len, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, mode and content of each entry, read by offsets that the format gives.
    fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let field = |number: usize| {
                let start = at + 6 + 8 * number;
                u32::from_str_radix(std::str::from_utf8(&bytes[start..start + 8]).unwrap(), 16).unwrap()
            };
            let (len, name_len) = (field(6) as usize, field(11) as usize);
            let name = String::from_utf8(bytes[at + 110..at + 110 + name_len - 1].to_vec()).unwrap();
            let start = (at + 110 + name_len).next_multiple_of(4);
            entries.push((name, field(1), bytes[start..start + len].to_vec()));
            at = (start + len).next_multiple_of(4);
        }
        entries
    }

    #[test]
    fn what_goes_in_comes_out() {
        let mut cpio = Cpio::default();
        cpio.folder("dev");
        cpio.device("dev/console", 5, 1);
        cpio.file("init", b"#!/bin/sh\n");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % 4, 0);
        // The device's numbers are the ninth and tenth field.
        let device = bytes.windows(11).position(|window| window == b"dev/console").unwrap();
        assert_eq!(&bytes[device - 32..device - 16], b"0000000500000001");
        let expect: [(&str, u32, &[u8]); 4] = [
            ("dev", 0o040_755, b""),
            ("dev/console", 0o020_600, b""),
            ("init", 0o100_755, b"#!/bin/sh\n"),
            (TRAILER, 0, b""),
        ];
        assert_eq!(
            read(&bytes),
            expect.map(|(path, mode, content)| (path.to_owned(), mode, content.to_vec()))
        );
    }
}
