//! Counts the processes that a process starts and the programs that they execute. The library has two eBPF objects and an archive of
//! its own, which another library's archive does not replace.

use std::error::Error;

use btfgen_runtime::Finder;
use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder};

btfgen_runtime::embed!(static BTF);

static EXECS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/execs.bpf.o"));
static FORKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/forks.bpf.o"));

/// The loaded programs, which count until this value is dropped.
pub struct Starts {
    execs: Object,
    forks: Object,
    _links: Vec<Link>,
}

impl Starts {
    /// Loads and attaches the programs.
    ///
    /// # Errors
    /// If no BTF is found for the host, or libbpf fails.
    pub fn watch() -> Result<Self, Box<dyn Error>> {
        // One look-up for both objects.
        let btf = Finder::new().archive(BTF).for_object(EXECS).for_object(FORKS).find()?;
        let load = |name: &str, object: &[u8]| -> Result<Object, Box<dyn Error>> {
            let mut builder = ObjectBuilder::default();
            if let Some(path) = btf.path() {
                builder.btf_custom_path(path)?;
            }
            Ok(builder.name(name)?.open_memory(object)?.load()?)
        };
        let (execs, forks) = (load("execs", EXECS)?, load("forks", FORKS)?);
        let links = execs
            .progs_mut()
            .chain(forks.progs_mut())
            .map(|program| program.attach())
            .collect::<Result<_, _>>()?;
        Ok(Self { execs, forks, _links: links })
    }

    /// Number of programs that children of a process executed.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn execs(&self, parent: u32) -> Result<u64, Box<dyn Error>> {
        count(&self.execs, "execs", parent)
    }

    /// Number of processes that a process started.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn forks(&self, parent: u32) -> Result<u64, Box<dyn Error>> {
        count(&self.forks, "forks", parent)
    }
}

fn count(object: &Object, map: &str, parent: u32) -> Result<u64, Box<dyn Error>> {
    let map = object.maps().find(|own| own.name() == map).ok_or("the object has no such map")?;
    let value = map.lookup(&parent.to_ne_bytes(), MapFlags::ANY)?;
    Ok(value
        .map_or(Ok(0), |value| value.try_into().map(u64::from_ne_bytes))
        .map_err(|_| "a count is not 8 bytes long")?)
}
