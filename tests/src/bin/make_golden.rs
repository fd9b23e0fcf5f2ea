//! Makes the golden stores of this build's format anew. To be run only when format 0 has a new
//! revision, or the index image a new version; from format 1 on, golden stores are never made again.

use std::io;

use annals::ReadOnlyStore;
use annals_tests::golden;

fn main() -> io::Result<()> {
    let directory = golden::directory();
    for golden in golden::all() {
        let folder = directory.join(golden.name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        golden.folder.save(&folder)?;
        let store = ReadOnlyStore::open(&folder).map_err(io::Error::other)?;
        std::fs::write(golden::description(golden.name), golden::describe(&store))?;
        println!("{}: {} events", folder.display(), golden.model.head());
    }
    Ok(())
}
