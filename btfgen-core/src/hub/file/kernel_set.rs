//! Kernel set: some of the kernels of a hub file, by their indices in [`HubFile::kernels`].
//!
//! [`HubFile::kernels`]: super::HubFile::kernels

/// A set of kernels, by their indices.
#[derive(Debug, Clone, Default)]
pub struct KernelSet {
    words: Vec<u64>,
}

impl KernelSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kernel.
    pub fn insert(&mut self, kernel: usize) {
        let word = kernel / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (kernel % 64);
    }

    /// Adds the kernels of another set.
    pub fn insert_all(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// The kernels that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { words: self.words.iter().zip(&other.words).map(|(word, other)| word & other).collect() }
    }

    /// The kernels that are not in the other set.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        Self { words: self.words.iter().zip(others).map(|(word, other)| word & !other).collect() }
    }

    /// The kernels that are in one of the sets.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.insert_all(other);
        self
    }

    /// Whether it has a kernel.
    pub fn contains(&self, kernel: usize) -> bool {
        self.words.get(kernel / 64).is_some_and(|word| word >> (kernel % 64) & 1 != 0)
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether it has no kernel.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The kernels, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.words.len() * 64).filter(|&kernel| self.contains(kernel))
    }
}

impl PartialEq for KernelSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for KernelSet {}

impl<'a> FromIterator<&'a KernelSet> for KernelSet {
    /// The kernels that are in any of the sets.
    fn from_iter<I: IntoIterator<Item = &'a KernelSet>>(sets: I) -> Self {
        let mut all = Self::new();
        sets.into_iter().for_each(|set| all.insert_all(set));
        all
    }
}

impl FromIterator<usize> for KernelSet {
    fn from_iter<I: IntoIterator<Item = usize>>(kernels: I) -> Self {
        let mut set = Self::new();
        kernels.into_iter().for_each(|kernel| set.insert(kernel));
        set
    }
}
