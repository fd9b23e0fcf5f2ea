//! The memory backend answers as every backend must, also through its image.

use std::path::Path;
use std::sync::Arc;

use annals_env::{Fs, MemoryFs};
use annals_index::{MemoryIndex, conformance};
use annals_types::StoreId;

const STORE: StoreId = StoreId([7; 16]);

#[test]
fn in_memory() {
    conformance::check(&|| Box::new(MemoryIndex::new(STORE)));
}

#[test]
fn saved() {
    conformance::check_saved(STORE, &|| {
        let fs: Arc<dyn Fs> = Arc::new(MemoryFs::new());
        Box::new(move || {
            let dir = Path::new("some/index");
            let loaded = MemoryIndex::load(Arc::clone(&fs), dir, STORE).unwrap();
            let index = loaded.map(|(index, _)| index);
            Box::new(index.unwrap_or_else(|| MemoryIndex::in_folder(Arc::clone(&fs), dir, STORE)))
        })
    });
}
