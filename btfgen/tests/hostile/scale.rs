//! Shapes made to be slow: twice the input must not take four times the work.
//!
//! Work is counted in allocations, so that the tests depend on no clock. Quadratic time without
//! allocations shows too: at these lengths it takes minutes.

use std::fs;

use btfgen_core::btf::Endian;
use btfgen_core::pipeline;
use btfgen_core::pipeline::Request;

use crate::MEMORY;
use crate::elf::{self, EM_BPF, Group, Parts, SECTION};
use crate::meter::{Counts, measure};

const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;

/// `TYPE_MATCHES`
const MATCHES: u32 = 12;

/// A BTF by hand; names may share bytes, as no compiler's do.
struct Raw {
    words: Vec<u32>,
    strings: Vec<u8>,
    count: u32,
}

impl Raw {
    /// With the type 1, `int`.
    fn new() -> Self {
        let mut raw = Self { words: Vec::new(), strings: vec![0], count: 0 };
        let name = raw.string("int");
        raw.push(name, INT, 0, 4, &[0x0100_0020]);
        raw
    }

    fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    fn push(&mut self, name: u32, kind: u32, vlen: usize, size_or_type: u32, rest: &[u32]) -> u32 {
        assert!(vlen < 1 << 16);
        self.words.extend([name, kind << 24 | vlen as u32, size_or_type]);
        self.words.extend_from_slice(rest);
        self.count += 1;
        self.count
    }

    /// A struct; members as name, type, offset in bits.
    fn composite(&mut self, name: u32, size: u32, members: &[[u32; 3]]) -> u32 {
        self.push(name, STRUCT, members.len(), size, members.as_flattened())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let types = self.words.len() as u32 * 4;
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types, types, self.strings.len() as u32].iter().chain(&self.words) {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// An object and a kernel.
struct Pair {
    object: Vec<u8>,
    target: Raw,
}

impl Pair {
    /// An object that reads `a.x`, and a kernel with the types that `draw` adds.
    fn new(draw: impl FnOnce(&mut Raw)) -> Self {
        Self::with_relocation(
            0,
            "0:0",
            |local, name| {
                let x = local.string("x");
                local.composite(name, 4, &[[x, 1, 0]])
            },
            draw,
        )
    }

    /// An object with one relocation whose root is named `a`.
    fn with_relocation(
        kind: u32,
        access: &str,
        root: impl FnOnce(&mut Raw, u32) -> u32,
        draw: impl FnOnce(&mut Raw),
    ) -> Self {
        let mut local = Raw::new();
        let (name, section, access) = (local.string("a"), local.string(SECTION), local.string(access));
        let root = root(&mut local, name);
        let ext = elf::ext(Endian::Little, &[], &[(section, vec![[8, root, access, kind]])]);
        let mut target = Raw::new();
        draw(&mut target);
        Self { object: elf::object(Endian::Little, &local.to_bytes(), &ext), target }
    }

    fn len(&self) -> usize {
        self.object.len() + self.target.to_bytes().len()
    }

    /// Runs the pipeline on the pair and counts its allocations.
    fn work(&self) -> Counts {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("hub/d/1/a/k.btf");
        fs::create_dir_all(kernel.parent().unwrap()).unwrap();
        fs::write(kernel, self.target.to_bytes()).unwrap();
        let object = folder.path().join("slow.o");
        fs::write(&object, &self.object).unwrap();
        let hub = folder.path().join("hub");
        let request = Request { objects: vec![object], hub, ..Request::default() };
        measure(|| {
            let _ = pipeline::run(&request, &|_, _| {});
        })
    }
}

fn check(shape: impl Fn(u32) -> Pair, n: u32) {
    let (small, large) = (shape(n), shape(2 * n));
    let (less, more) = (small.work(), large.work());
    let allowed = MEMORY + 20 * large.len();
    assert!(more.peak <= allowed, "{more:?} for {} bytes, allowed {allowed}", large.len());
    assert!(more.calls <= 3 * less.calls + 10_000, "{less:?} and {more:?}");
    assert!(more.total <= 3 * less.total + (8 << 20), "{less:?} and {more:?}");
}

/// A string without an end of `len` bytes; every offset into it is another name.
fn endless(raw: &mut Raw, len: u32) -> u32 {
    raw.string(&"x".repeat(len as usize))
}

#[test]
fn members_whose_names_share_bytes() {
    check(
        |n| {
            Pair::new(|target| {
                let (name, names) = (target.string("a"), endless(target, n));
                let members: Vec<_> = (0..n).map(|at| [names + at, 1, at * 32]).collect();
                target.composite(name, 4 * n, &members);
            })
        },
        30_000,
    );
}

#[test]
fn types_whose_names_share_bytes() {
    check(
        |n| {
            Pair::new(|target| {
                let names = endless(target, n);
                for at in 0..n {
                    target.push(names + at, FWD, 0, 0, &[]);
                }
            })
        },
        50_000,
    );
}

#[test]
fn types_and_members_of_one_long_name() {
    for members in [false, true] {
        check(
            |n| {
                Pair::new(|target| {
                    let (name, long) = (target.string("a"), endless(target, n));
                    if members {
                        let members: Vec<_> = (0..n).map(|at| [long, 1, at * 32]).collect();
                        target.composite(name, 4 * n, &members);
                    } else {
                        for at in 0..n {
                            target.push(long, STRUCT, 0, at, &[]);
                        }
                    }
                })
            },
            30_000,
        );
    }
}

#[test]
fn lines_whose_texts_share_bytes() {
    check(
        |n| {
            let mut local = Raw::new();
            let (name, x, section) = (local.string("a"), local.string("x"), local.string(SECTION));
            let access = local.string("0:0");
            let texts = endless(&mut local, 2 * n);
            let root = local.composite(name, 4, &[[x, 1, 0]]);
            let lines = (0..n).map(|at| [at * 8, texts + at, texts + n + at, 1 << 10]).collect();
            let relocations = (0..n).map(|at| [at * 8, root, access, 0]).collect();
            let ext = elf::ext(Endian::Little, &[(section, lines)], &[(section, relocations)]);
            Pair { object: elf::object(Endian::Little, &local.to_bytes(), &ext), target: Raw::new() }
        },
        30_000,
    );
}

#[test]
fn symbols_whose_names_share_bytes() {
    check(
        |n| {
            let local = Raw::new().to_bytes();
            let names = vec![b'x'; n as usize];
            let symbols: Vec<u32> = (0..n).collect();
            let parts = Parts {
                endian: Endian::Little,
                machine: EM_BPF,
                btf: Some(&local),
                ext: None,
                symbols: (&[&names[..], &[0]].concat(), &symbols),
            };
            Pair { object: parts.to_bytes(), target: Raw::new() }
        },
        30_000,
    );
}

#[test]
fn long_chains_of_typedefs() {
    check(
        |n| {
            Pair::new(|target| {
                let (name, x, link) = (target.string("a"), target.string("x"), target.string("t"));
                let mut last = 1;
                for _ in 0..n {
                    last = target.push(link, TYPEDEF, 0, last, &[]);
                }
                // Each within the bound on chains, so all are walked.
                let members: Vec<_> = (0..n.min(60_000)).map(|at| [x, 2 + at % 28, at * 32]).collect();
                target.composite(name, 4 * n, &members);
            })
        },
        30_000,
    );
}

#[test]
fn deeply_nested_structs() {
    check(
        |n| {
            Pair::new(|target| {
                let (name, x) = (target.string("a"), target.string("x"));
                let mut last = 1;
                for at in 0..n {
                    let inner = if at % 150 == 0 { 1 } else { last };
                    let other = [target.string(&format!("m{at}")), 1, 32];
                    last = target.composite(name, 8 + at, &[[x, inner, 0], other]);
                }
            })
        },
        6_000,
    );
}

/// The candidates have the field at different offsets, which libbpf reports as ambiguous.
#[test]
fn candidates_that_disagree() {
    check(
        |n| {
            Pair::new(|target| {
                let (name, x) = (target.string("a"), target.string("x"));
                for at in 0..n {
                    target.composite(name, 4 * n, &[[x, 1, at * 32]]);
                }
            })
        },
        20_000,
    );
}

/// The candidates have the field at the same offset in different sizes: their order decides.
#[test]
fn candidates_whose_order_counts() {
    check(
        |n| {
            let array = |raw: &mut Raw, len| raw.push(0, ARRAY, 0, 0, &[1, 1, len]);
            Pair::with_relocation(
                0,
                "0:0",
                |local, name| {
                    let (x, ty) = (local.string("x"), array(local, 7));
                    local.composite(name, 28, &[[x, ty, 0]])
                },
                |target| {
                    let (name, x) = (target.string("a"), target.string("x"));
                    for len in 1..=n {
                        let ty = array(target, len);
                        target.composite(name, 4 * n, &[[x, ty, 0]]);
                    }
                },
            )
        },
        10_000,
    );
}

#[test]
fn embedded_structs_without_the_field() {
    check(
        |n| {
            Pair::new(|target| {
                let (name, x) = (target.string("a"), target.string("x"));
                let mut members = Vec::new();
                for at in 0..n {
                    let other = target.string(&format!("m{at}"));
                    members.push([0, target.composite(0, 4, &[[other, 1, 0]]), at * 32]);
                }
                members.push([x, 1, n * 32]);
                target.composite(name, 4 * n + 4, &members);
            })
        },
        20_000,
    );
}

#[test]
fn enumerators_in_another_order() {
    check(
        |n| {
            let values = |raw: &mut Raw, name: u32, numbers: &mut dyn Iterator<Item = u32>| {
                let words: Vec<u32> =
                    numbers.flat_map(|number| [raw.string(&format!("v{number}")), number]).collect();
                raw.push(name, ENUM, words.len() / 2, 4, &words)
            };
            Pair::with_relocation(
                MATCHES,
                "0",
                |local, name| values(local, name, &mut (0..n)),
                |target| {
                    let name = target.string("a");
                    values(target, name, &mut (0..n).rev());
                },
            )
        },
        15_000,
    );
}

#[test]
fn many_sections_with_relocations() {
    check(
        |n| {
            let mut local = Raw::new();
            let (name, x, access) = (local.string("a"), local.string("x"), local.string("0:0"));
            let root = local.composite(name, 4, &[[x, 1, 0]]);
            let groups: Vec<Group> =
                (0..n).map(|at| (local.string(&format!("s{at}")), vec![[8, root, access, 0]])).collect();
            let lines: Vec<Group> =
                groups.iter().map(|(section, _)| (*section, vec![[0, access, access, 1 << 10]])).collect();
            let ext = elf::ext(Endian::Little, &lines, &groups);
            Pair { object: elf::object(Endian::Little, &local.to_bytes(), &ext), target: Raw::new() }
        },
        15_000,
    );
}

/// Each is poisoned, and for each `reach` decides whether a check guards it.
#[test]
fn many_poisoned_relocations() {
    check(
        |n| {
            let mut local = Raw::new();
            let (name, section, access) = (local.string("a"), local.string(SECTION), local.string("0:0"));
            let mut relocations = Vec::new();
            for at in 0..n {
                let member = [local.string(&format!("m{at}")), 1, 0];
                relocations.push([8, local.composite(name, 4, &[member]), access, 0]);
            }
            let ext = elf::ext(Endian::Little, &[], &[(section, relocations)]);
            let mut target = Raw::new();
            let name = target.string("a");
            target.composite(name, 4, &[]);
            Pair { object: elf::object(Endian::Little, &local.to_bytes(), &ext), target }
        },
        10_000,
    );
}
