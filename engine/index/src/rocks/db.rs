//! The few calls of RocksDB that the index makes, and how it is set up. No other file names the
//! crate.
//!
//! Nothing here uses RocksDB's write-ahead log: [`Db::write`] is the only way in. All rows are in
//! one column family, so that what reaches the disk is always a whole prefix of the batches.

use std::path::Path;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DB, DBCompressionType, DBPinnableSlice,
    DBRawIterator, ErrorKind, LogLevel, LruCacheOptions, MergeOperands, Options, ReadOptions,
    SliceTransform, WriteBatch, WriteOptions, properties,
};

use super::keys;
use crate::IndexError;

const CACHE_BYTES: usize = 32 << 20;
/// The cache has 16 parts: each is larger than any value.
const CACHE_SHARD_BITS: i32 = 4;
const BLOCK_BYTES: usize = 8 << 10;
const FORMAT_VERSION: i32 = 6;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
const WRITE_BUFFER_BYTES: usize = 16 << 20;
const WRITE_BUFFERS: i32 = 2;
const BACKGROUND_JOBS: i32 = 2;
/// RocksDB starts as many threads at each opening, however few its files are.
const FILE_OPENING_THREADS: i32 = 2;
/// Files are written out in steps of so many bytes, not all at once at the end.
const BYTES_PER_SYNC: u64 = 1 << 20;
const MANIFEST_BYTES: usize = 4 << 20;
const INFO_LOG_BYTES: usize = 1 << 20;
const INFO_LOGS: usize = 2;

/// What the system says where a file is missing.
const NO_FILE: &str = "No such file or directory";
/// What it says where files are not what they should be.
const OF_THE_FILES: [&str; 3] = [NO_FILE, "Is a directory", "Not a directory"];
/// What it says where the files may well be sound. RocksDB hands this on as a corruption too.
const OF_THE_SYSTEM: [&str; 9] = [
    "Cannot allocate memory",
    "Disk quota exceeded",
    "File too large",
    "Input/output error",
    "No space left on device",
    "Operation not permitted",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
];

/// An open RocksDB.
pub(super) struct Db {
    db: DB,
    cache: BlockCache,
    writes: bool,
    /// How often it was asked for rows.
    #[cfg(test)]
    pub(super) asked: std::sync::atomic::AtomicU64,
}

/// What was read of the files, in memory. Several openings of one database may have it in common.
#[derive(Clone)]
pub(super) struct BlockCache(Cache);

/// Rows that are written all or none.
pub(super) struct Batch(WriteBatch);

/// Key and value.
pub(super) type Row<'a> = (&'a [u8], &'a [u8]);

/// Why RocksDB did not do something.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Failure(rocksdb::Error);

impl Failure {
    /// Whether a file that should be there is not.
    pub(super) fn is_missing_file(&self) -> bool {
        self.0.as_ref().contains(NO_FILE)
    }

    /// Whether what is there is not what a RocksDB of ours leaves behind: to try again, with more
    /// room or more rights, does not help.
    pub(super) fn is_damage(&self) -> bool {
        is_damage(&self.0.kind(), self.0.as_ref())
    }
}

impl From<Failure> for IndexError {
    fn from(failure: Failure) -> Self {
        Self::new("reading the index", failure)
    }
}

impl From<rocksdb::Error> for Failure {
    fn from(error: rocksdb::Error) -> Self {
        Self(error)
    }
}

impl Db {
    /// Makes a RocksDB in the folder, and opens it for writing.
    pub(super) fn make(dir: &Path) -> Result<Self, Failure> {
        let cache = BlockCache::new();
        let mut options = options(&cache);
        options.create_if_missing(true);
        Ok(Self::new(DB::open(&options, dir)?, cache, true))
    }

    /// Opens the RocksDB in the folder for writing: makes files, syncs them and starts threads,
    /// which takes far longer than [`Db::open_read_only`].
    pub(super) fn open(dir: &Path, cache: BlockCache) -> Result<Self, Failure> {
        Ok(Self::new(DB::open(&options(&cache), dir)?, cache, true))
    }

    /// Opens the RocksDB in the folder as it is now; writes nothing, and keeps this picture
    /// whatever a writer does later. The folder must be there.
    pub(super) fn open_read_only(dir: &Path) -> Result<Self, Failure> {
        let cache = BlockCache::new();
        let mut options = options(&cache);
        // They are for compactions.
        options.set_skip_stats_update_on_db_open(true);
        Ok(Self::new(DB::open_for_read_only(&options, dir, false)?, cache, false))
    }

    fn new(db: DB, cache: BlockCache, writes: bool) -> Self {
        Self {
            db,
            cache,
            writes,
            #[cfg(test)]
            asked: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Whether it is open for writing.
    pub(super) const fn writes(&self) -> bool {
        self.writes
    }

    pub(super) fn cache(&self) -> BlockCache {
        self.cache.clone()
    }

    #[cfg(test)]
    fn count(&self) {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Failure> {
        #[cfg(test)]
        self.count();
        Ok(self.db.get_pinned(key)?)
    }

    /// The rows that share the [`keys::prefix`] of the key that is sought first.
    pub(super) fn of_prefix(&self) -> Rows<'_> {
        #[cfg(test)]
        self.count();
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        Rows(self.db.raw_iterator_opt(options))
    }

    /// All rows, in order.
    pub(super) fn all(&self) -> Rows<'_> {
        #[cfg(test)]
        self.count();
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        options.fill_cache(false);
        Rows(self.db.raw_iterator_opt(options))
    }

    /// Writes rows into memory. They reach the disk all or none, at any time from now on.
    pub(super) fn write(&self, batch: Batch) -> Result<(), Failure> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.db.write_opt(batch.0, &options)?)
    }

    /// Makes everything written before survive a power cut. May wait for a compaction.
    pub(super) fn flush(&self) -> Result<(), Failure> {
        Ok(self.db.flush()?)
    }

    /// Brings all rows into one sorted run.
    #[cfg(test)]
    pub(super) fn compact(&self) {
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
    }

    /// Bytes of its cache, its write buffers and what it keeps of each open file.
    pub(super) fn memory_bytes(&self) -> u64 {
        let buffers = self.number(properties::SIZE_ALL_MEM_TABLES);
        let tables = self.number(properties::ESTIMATE_TABLE_READERS_MEM);
        self.cache.0.get_usage() as u64 + buffers + tables
    }

    /// Bytes of its files of rows.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.number(properties::LIVE_SST_FILES_SIZE)
    }

    fn number(&self, property: &properties::PropName) -> u64 {
        self.db.property_int_value(property).ok().flatten().unwrap_or(0)
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        Self(WriteBatch::default())
    }

    /// Sets the value under a key.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key, value);
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.0.delete(key);
    }

    /// Appends to the value under a key.
    pub(super) fn append(&mut self, key: &[u8], value: &[u8]) {
        self.0.merge(key, value);
    }
}

/// A walk over rows. Where it ends because of an error, [`Rows::row`] says so.
pub(super) struct Rows<'a>(DBRawIterator<'a>);

impl Rows<'_> {
    /// Goes to the first row at or behind `key`.
    pub(super) fn seek(&mut self, key: &[u8]) {
        self.0.seek(key);
    }

    /// Goes to the last row at or before `key`.
    pub(super) fn seek_back(&mut self, key: &[u8]) {
        self.0.seek_for_prev(key);
    }

    /// Goes to the next row.
    pub(super) fn next(&mut self) {
        self.0.next();
    }

    /// Goes to the row before.
    pub(super) fn back(&mut self) {
        self.0.prev();
    }

    /// The row. `None`: it went past the last.
    pub(super) fn row(&self) -> Result<Option<Row<'_>>, Failure> {
        if self.0.valid() {
            return Ok(self.0.item());
        }
        self.0.status()?;
        Ok(None)
    }
}

fn is_damage(kind: &ErrorKind, text: &str) -> bool {
    let is_of = |any: &[&str]| any.iter().any(|why| text.contains(why));
    match kind {
        _ if is_of(&OF_THE_SYSTEM) => false,
        ErrorKind::Corruption
        | ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::NotSupported => true,
        ErrorKind::IOError => is_of(&OF_THE_FILES),
        _ => false,
    }
}

impl BlockCache {
    fn new() -> Self {
        let mut cache = LruCacheOptions::default();
        cache.set_capacity(CACHE_BYTES);
        cache.set_num_shard_bits(CACHE_SHARD_BITS);
        Self(Cache::new_lru_cache_opts(&cache))
    }
}

fn options(cache: &BlockCache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&cache.0);
    table.set_block_size(BLOCK_BYTES);
    table.set_format_version(FORMAT_VERSION);
    table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    table.set_whole_key_filtering(false);
    // Index and filters count against the cache: memory stays bounded. In pieces: a look-up must
    // not bring in the filter of a whole file.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);

    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_prefix_extractor(SliceTransform::create("annals.prefix.1", keys::prefix, None));
    options.set_merge_operator_associative("annals.append.1", append);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(WRITE_BUFFERS);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    // Readers at the side of a writer keep their picture only with all files open.
    options.set_max_open_files(-1);
    options.set_max_file_opening_threads(FILE_OPENING_THREADS);
    options.set_paranoid_checks(true);
    options.set_max_manifest_file_size(MANIFEST_BYTES);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOGS);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The merge operator: values that were appended, one behind the other.
fn append(_key: &[u8], value: Option<&[u8]>, more: &MergeOperands) -> Option<Vec<u8>> {
    let value = value.unwrap_or_default();
    let bytes = value.len() + more.iter().map(<[u8]>::len).sum::<usize>();
    let mut whole = Vec::with_capacity(bytes);
    whole.extend_from_slice(value);
    more.iter().for_each(|piece| whole.extend_from_slice(piece));
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_the_files_is_damage() {
        for (kind, text, damage) in [
            (ErrorKind::Corruption, "Corruption: Bad table magic number", true),
            (
                ErrorKind::Corruption,
                "Corruption: Can't access /000012.sst: IO error: No such file or directory: While stat",
                true,
            ),
            (
                ErrorKind::Corruption,
                "Corruption: Can't access /000012.sst: IO error: Permission denied: While stat",
                false,
            ),
            (ErrorKind::InvalidArgument, "Invalid argument: unknown format_version", true),
            (ErrorKind::IOError, "IO error: Too many open files: While open a file", false),
            (ErrorKind::IOError, "IO error: No space left on device: While appending", false),
            (
                ErrorKind::IOError,
                "IO error: While lock file: /x/LOCK: Resource temporarily unavailable",
                false,
            ),
            (ErrorKind::IOError, "IO error: No such file or directory: While open", true),
            (ErrorKind::Unknown, "Failed to create RocksDB directory", false),
        ] {
            assert_eq!(is_damage(&kind, text), damage, "{text}");
        }
    }
}
