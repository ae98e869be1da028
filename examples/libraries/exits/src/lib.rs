//! Reads the exit codes of a process's children. The library has an archive of its own.

use std::error::Error;

use btfgen_runtime::Finder;
use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder};

btfgen_runtime::embed!(static BTF);

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/exits.bpf.o"));

/// The loaded program, which runs until this value is dropped.
pub struct Exits {
    object: Object,
    _links: Vec<Link>,
}

impl Exits {
    /// Loads and attaches the program.
    ///
    /// # Errors
    /// If no BTF is found for the host, or libbpf fails.
    pub fn watch() -> Result<Self, Box<dyn Error>> {
        let btf = Finder::new().archive(BTF).for_object(OBJECT).find()?;
        let mut builder = ObjectBuilder::default();
        if let Some(path) = btf.path() {
            builder.btf_custom_path(path)?;
        }
        let object = builder.name("exits")?.open_memory(OBJECT)?.load()?;
        let links = object.progs_mut().map(|program| program.attach()).collect::<Result<_, _>>()?;
        Ok(Self { object, _links: links })
    }

    /// Exit code of the last child of a process that ended.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn last_code(&self, parent: u32) -> Result<Option<u64>, Box<dyn Error>> {
        let map =
            self.object.maps().find(|map| map.name() == "exits").ok_or("the object has no map exits")?;
        let value = map.lookup(&parent.to_ne_bytes(), MapFlags::ANY)?;
        Ok(value
            .map(|value| value.try_into().map(u64::from_ne_bytes))
            .transpose()
            .map_err(|_| "a code is not 8 bytes long")?)
    }
}
