//! Collect: kernels from sources into a hub, on several threads, one bad source at no other's cost.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::panic;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use btfgen_runtime::KernelId;
use sha2::{Digest, Sha256};

use super::VendorError;
use super::source::{Kernel, Offer, Wanted};
use btfgen_core::hub::file::{HubBuilder, HubFile, HubFileError};

/// What became of one offer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fate {
    /// The kernel was read.
    Read(KernelId),
    /// It is not wanted, or the hub had it before.
    Skipped,
    /// It could not be read.
    Bad(VendorError),
}

/// Two offers of one id whose BTFs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The id.
    pub kernel: KernelId,
    /// The offer that was taken, the first one.
    pub taken: String,
    /// The offer that was left out.
    pub left: String,
}

/// How kernels are collected.
#[derive(Clone, Copy)]
pub struct Collector<'a> {
    /// Which kernels are wanted.
    pub wanted: Wanted<'a>,
    /// Threads that read and intern.
    pub threads: usize,
    /// Told of each offer as it is done, from any thread.
    pub done: &'a (dyn Fn(&Offer, &Fate) + Sync),
}

type Hash = [u8; 32];

/// What one thread has collected.
#[derive(Default)]
struct Shard {
    /// More than one only when two offers of an id differ.
    builders: Vec<(HubBuilder, HashMap<KernelId, Hash>)>,
    /// Offers by number, with what they gave.
    read: Vec<(usize, KernelId, Hash)>,
}

impl Collector<'_> {
    /// Adds the kernels of `offers` to `hub`, except those that it has already.
    ///
    /// When two offers of one id differ, the first one in the list is taken, whichever is read first. Memory grows with
    /// the distinct types of the kernels, and with the one kernel that each thread has in hand.
    ///
    /// # Errors
    /// Only when the hub cannot take the kernels: what is wrong with an offer is told to `done`.
    pub fn collect(&self, hub: &mut HubBuilder, offers: &[Offer]) -> Result<Vec<Conflict>, HubFileError> {
        let shards = self.read(hub, offers);
        let mut read: Vec<_> = shards.iter().flat_map(|shard| &shard.read).collect();
        read.sort();
        let mut first: BTreeMap<&KernelId, (usize, Hash)> = BTreeMap::new();
        let mut conflicts = Vec::new();
        for (number, id, hash) in read {
            let (taken, known) = *first.entry(id).or_insert((*number, *hash));
            if known != *hash {
                let label = |number: usize| offers.get(number).map(|offer| offer.label.clone());
                let (taken, left) = (label(taken).unwrap_or_default(), label(*number).unwrap_or_default());
                conflicts.push(Conflict { kernel: id.clone(), taken, left });
            }
        }
        let first: BTreeMap<KernelId, Hash> =
            first.into_iter().map(|(id, (_, hash))| (id.clone(), hash)).collect();
        for (mut builder, hashes) in shards.into_iter().flat_map(|shard| shard.builders) {
            for (id, _) in hashes.iter().filter(|(id, hash)| first.get(*id) != Some(hash)) {
                builder.remove(id);
            }
            hub.merge(builder)?;
        }
        Ok(conflicts)
    }

    /// Adds the wanted kernels of a hub file to `hub`, those that it has already excepted; returns how many.
    ///
    /// # Errors
    /// When the hub file cannot be read, or is damaged; nothing is added then.
    pub fn add_hub(&self, hub: &mut HubBuilder, path: &Path) -> Result<usize, VendorError> {
        let bytes = fs::read(path).map_err(VendorError::read(path.display().to_string()))?;
        let file = HubFile::open(bytes)?;
        let mut add = HubBuilder::new();
        add.add_hub(&file)?;
        for kernel in file.kernels() {
            if hub.contains(&kernel.id) || !(self.wanted.kernel)(&kernel.id) {
                add.remove(&kernel.id);
            }
        }
        let added = add.len();
        hub.merge(add)?;
        Ok(added)
    }

    /// Reads all offers, each thread into a shard of its own.
    fn read(&self, hub: &HubBuilder, offers: &[Offer]) -> Vec<Shard> {
        let is_new = |id: &KernelId| !hub.contains(id) && (self.wanted.kernel)(id);
        let wanted = Wanted { kernel: &is_new, modules: self.wanted.modules };
        let queue = Mutex::new(offers.iter().enumerate());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut shard = Shard::default();
            while let Some((number, offer)) = next() {
                let fate = match offer.read(&wanted) {
                    Ok(Some(kernel)) => {
                        let id = kernel.id.clone();
                        match shard.add(number, kernel) {
                            Ok(()) => Fate::Read(id),
                            Err(error) => Fate::Bad(error.into()),
                        }
                    }
                    Ok(None) => Fate::Skipped,
                    Err(error) => Fate::Bad(error),
                };
                (self.done)(offer, &fate);
            }
            shard
        };
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.threads.clamp(1, offers.len().max(1))).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|payload| panic::resume_unwind(payload)))
                .collect()
        })
    }
}

impl Shard {
    fn add(&mut self, number: usize, kernel: Kernel) -> Result<(), HubFileError> {
        let Kernel { id, provenance, btf, modules } = kernel;
        let modules: Vec<&[u8]> = modules.iter().map(|module| module.btf.as_slice()).collect();
        let mut hasher = Sha256::new_with_prefix(&btf);
        for module in &modules {
            hasher.update((module.len() as u64).to_le_bytes());
            hasher.update(module);
        }
        let hash: Hash = hasher.finalize().into();
        let fits = |hashes: &HashMap<KernelId, Hash>| hashes.get(&id).is_none_or(|known| *known == hash);
        let place = match self.builders.iter().position(|(_, hashes)| fits(hashes)) {
            Some(place) => place,
            None => {
                self.builders.push(Default::default());
                self.builders.len() - 1
            }
        };
        if let Some((builder, hashes)) = self.builders.get_mut(place) {
            builder.add_btf(&id, &provenance, &btf, &modules)?;
            hashes.insert(id.clone(), hash);
        }
        self.read.push((number, id, hash));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
