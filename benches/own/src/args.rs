//! What the command line asks for: `--name value`, `--flag`.

use annals::IndexKind;

/// The arguments that nobody has asked for yet.
#[derive(Debug)]
pub struct Args(Vec<String>);

impl Args {
    /// Those of the process.
    #[must_use]
    pub fn new() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Whether this flag is there.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|arg| arg == name);
        found.map(|at| self.0.remove(at)).is_some()
    }

    /// The value behind this name.
    pub fn value(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|arg| arg == name)?;
        assert!(at + 1 < self.0.len(), "{name} needs a value");
        self.0.remove(at);
        Some(self.0.remove(at))
    }

    /// The number behind this name.
    pub fn number(&mut self, name: &str) -> Option<u64> {
        self.value(name).map(|text| number(&text))
    }

    /// The numbers behind this name, with commas between them.
    pub fn numbers(&mut self, name: &str) -> Option<Vec<u64>> {
        self.value(name).map(|text| text.split(',').map(number).collect())
    }

    /// The index behind `--index`.
    pub fn index(&mut self) -> Option<IndexKind> {
        let name = self.value("--index")?;
        let found = kinds().into_iter().find(|kind| index_name(*kind) == name);
        Some(found.unwrap_or_else(|| panic!("no index {name:?} in this build")))
    }

    /// Nothing is left over.
    pub fn end(self) {
        assert!(self.0.is_empty(), "what does {:?} mean?", self.0);
    }
}

impl Default for Args {
    fn default() -> Self {
        Self::new()
    }
}

fn number(text: &str) -> u64 {
    text.replace('_', "").parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// The indexes that this build has.
#[must_use]
pub fn kinds() -> Vec<IndexKind> {
    vec![
        IndexKind::Memory,
        #[cfg(feature = "rocksdb")]
        IndexKind::RocksDb,
    ]
}

/// What an index is called.
#[must_use]
pub fn index_name(kind: IndexKind) -> &'static str {
    if kind == IndexKind::Memory { "memory" } else { "rocksdb" }
}
