//! Opened for look-ups first, and for writing by the first save that has something to write.

#![expect(clippy::disallowed_methods, reason = "what others do to the files is tested")]

use super::*;

/// An index of a few thousand events, saved in several parts; and the same in memory.
struct Written {
    dir: TempDir,
    memory: crate::MemoryIndex,
    story: Story,
    random: SeededRandom,
}

impl Written {
    fn new(seed: u64) -> Self {
        let mut written = Self {
            dir: TempDir::new().unwrap(),
            memory: crate::MemoryIndex::new(STORE),
            story: Story { position: 0, versions: Default::default() },
            random: SeededRandom::new(seed),
        };
        let index = written.open();
        for _ in 0..3 {
            written.tell(&index, 2000);
            index.save(covers(index.covers())).unwrap();
        }
        written
    }

    fn open(&self) -> RocksIndex {
        RocksIndex::open(self.dir.path(), STORE).unwrap().index
    }

    fn tell(&mut self, index: &dyn Index, events: u64) {
        let events = self.story.tell(&self.random, events);
        self.memory.apply(&mut events.iter().map(Event::entry));
        index.apply(&mut events.iter().map(Event::entry));
    }

    fn compare(&self, index: &dyn Index) {
        compare(index, &self.memory, &self.random, self.story.position, 100);
    }

    /// The files, with what is in them.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = RealFs.list(self.dir.path()).unwrap().into_iter();
        let mut files: Vec<_> = entries
            .map(|entry| {
                let bytes = std::fs::read(self.dir.path().join(&entry.name)).unwrap();
                (entry.name, bytes)
            })
            .collect();
        files.sort();
        files
    }
}

fn is_for_writing(index: &RocksIndex) -> bool {
    index.db().unwrap().writes()
}

#[test]
fn nothing_is_written_until_there_is_something_to_save() {
    let mut written = Written::new(1);
    let before = written.files();
    let index = written.open();
    let saved = index.covers();
    written.compare(&index);
    index.save(covers(saved)).unwrap();
    written.tell(&index, 500);
    // What came since is not to be saved yet.
    index.save(covers(saved)).unwrap();
    written.compare(&index);
    index.close();
    drop(index);
    assert_eq!(written.files(), before);

    let index = written.open();
    assert_eq!(index.covers(), saved);
    drop(index);
    assert_eq!(written.files(), before);
}

#[test]
fn the_first_save_opens_it_for_writing() {
    let mut written = Written::new(2);
    for round in 0..4 {
        let index = written.open();
        assert!(!is_for_writing(&index));
        written.tell(&index, 700);
        written.compare(&index);
        index.save(covers(index.covers())).unwrap();
        assert!(is_for_writing(&index));
        written.compare(&index);
        written.tell(&index, 300);
        index.save(covers(index.covers())).unwrap();
        if round == 2 {
            index.db().unwrap().compact();
        }
        written.compare(&index);
    }
    written.compare(&written.open());
    // After a close there is nothing to open.
    let index = written.open();
    written.tell(&index, 10);
    index.close();
    assert!(index.save(covers(index.covers())).unwrap_err().is_closed());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "real threads are what is tested")]
fn answers_do_not_change_while_it_is_opened_for_writing() {
    for seed in 0..8 {
        let mut written = Written::new(seed);
        let index = written.open();
        written.tell(&index, 500);
        let done = AtomicBool::new(false);
        let (index, whole) = (&index, &written);
        std::thread::scope(|threads| {
            for reader in 0..2 {
                let done = &done;
                threads.spawn(move || {
                    let _done = Ending(done);
                    let random = SeededRandom::new(seed * 2 + reader);
                    while !done.load(Ordering::Relaxed) {
                        compare(index, &whole.memory, &random, whole.story.position, 20);
                    }
                });
            }
            let _done = Ending(&done);
            index.save(covers(index.covers())).unwrap();
            // What the readers had open is gone from the folder.
            index.db().unwrap().compact();
            whole.compare(index);
        });
        assert!(is_for_writing(index));
    }
}

#[test]
fn what_cannot_be_opened_for_writing_is_begun_anew_at_the_next_opening() {
    let mut written = Written::new(3);
    let index = written.open();
    written.tell(&index, 500);
    // A reader does not look at it.
    let lock = written.dir.path().join("LOCK");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    for _ in 0..5 {
        let error = index.save(covers(index.covers())).unwrap_err();
        assert!(!error.is_disk_full() && !error.is_closed(), "{error}");
        written.tell(&index, 100);
        written.compare(&index);
    }
    assert!(!is_for_writing(&index));
    drop(index);
    std::fs::remove_dir(&lock).unwrap();
    let opened = RocksIndex::open(written.dir.path(), STORE).unwrap();
    assert!(opened.covers.is_none() && opened.replaced.is_some());
    assert_eq!(opened.index.stream_count(Position::MAX).unwrap(), 0);
}

#[test]
fn a_save_that_found_no_folder_is_made_up_for() {
    let mut written = Written::new(4);
    let index = written.open();
    written.tell(&index, 500);
    let away = written.dir.path().with_extension("away");
    RealFs.rename(written.dir.path(), &away).unwrap();
    assert!(index.save(covers(index.covers())).is_err());
    written.tell(&index, 100);
    written.compare(&index);
    std::fs::remove_dir_all(written.dir.path()).ok();
    RealFs.rename(&away, written.dir.path()).unwrap();
    index.save(covers(index.covers())).unwrap();
    drop(index);
    written.compare(&written.open());
}

/// The store's lock keeps two writers apart. Without it nothing wrong is answered all the same.
#[test]
fn of_two_writers_each_answers_rightly() {
    let mut written = Written::new(5);
    let (one, other) = (written.open(), written.open());
    let events = written.story.tell(&written.random, 500);
    for index in [&one as &dyn Index, &other, &written.memory] {
        index.apply(&mut events.iter().map(Event::entry));
    }
    one.save(covers(one.covers())).unwrap();
    // It has the files.
    assert!(other.save(covers(other.covers())).is_err());
    written.compare(&other);
    drop(one);
    // Its rows would be there twice.
    assert!(other.save(covers(other.covers())).is_err());
    written.compare(&other);
    drop(other);
    let opened = RocksIndex::open(written.dir.path(), STORE).unwrap();
    assert!(opened.covers.is_none() && opened.replaced.is_some());
}
