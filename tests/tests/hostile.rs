//! A store's folder from somebody who means harm: it must not lead out of itself, keep its reader
//! waiting, or make it take memory or time that its files do not justify. Each test runs confined
//! ([`confined`](annals_tests::confined)).

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use annals::{
    Error, ErrorKind, Events, ExpectedVersion, IndexKind, NewEvent, Options, Position, Read,
    ReadOnlyStore, Result, Store,
};
use annals_env::RealFs;
use annals_tests::confined::confined;
use annals_tests::crafted::{self, Claims, EPOCH, Fields, Frame, Record, Segment, event, table};
use annals_tests::{files, kinds};
use tempfile::TempDir;

/// What takes longer loops or waits; the others who use the machine may take a part of it.
const TIME_MAX: Duration = Duration::from_secs(40);
/// More than any of these stores has.
const ITEMS_MAX: usize = 100_000;

fn options(index: IndexKind) -> Options {
    Store::options().segment_bytes(Options::SEGMENT_BYTES_MIN).index(index)
}

fn an_event() -> NewEvent {
    NewEvent::json("Noted", format!("\"{}\"", "x".repeat(700))).tag("a")
}

/// A store with three segments and a saved index of each kind, and a folder beside it.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        fs::create_dir(scene.beside()).unwrap();
        for kind in kinds() {
            let store = options(kind).open(scene.store()).unwrap();
            for _ in 0..40 {
                store.append("a-1", ExpectedVersion::Any, &[an_event()]).unwrap();
            }
            store.close().unwrap();
        }
        scene
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn beside(&self) -> PathBuf {
        self.folder.path().join("beside")
    }

    fn newest_segment(&self) -> PathBuf {
        let mut names: Vec<_> =
            fs::read_dir(self.store().join("log")).unwrap().map(|it| it.unwrap().path()).collect();
        names.sort();
        names.pop().unwrap()
    }

    /// The folders of a store that it can have.
    fn folders(&self) -> Vec<PathBuf> {
        let all = ["log", "index", "index/memory", "index/rocksdb"];
        all.iter().map(|name| self.store().join(name)).filter(|path| path.exists()).collect()
    }

    /// One file of each kind, those of RocksDB included.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.store().join("lock"), self.store().join("state")];
        files.extend([self.newest_segment(), self.store().join("index/memory/image")]);
        let rocks = fs::read_dir(self.store().join("index/rocksdb")).into_iter().flatten();
        files.extend(rocks.map(|entry| entry.unwrap().path()));
        files
    }
}

/// What an opening of somebody else's folder may end with.
fn is_reason(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Damaged(_) | ErrorKind::Unsupported | ErrorKind::Io | ErrorKind::NotAStore
    )
}

/// Reads all that there is to read. Gives how many events, and the damage that was told of.
fn read(store: &ReadOnlyStore) -> (usize, usize) {
    let bounded = |count: usize| assert!(count < ITEMS_MAX, "it does not end");
    let events = store.read_all().inspect(|event| {
        if let Err(error) = event {
            assert!(is_reason(error), "{error}");
        }
    });
    let readable = events.take(ITEMS_MAX).filter(|event| event.is_ok()).count();
    bounded(store.read(Read::all().backward()).take(ITEMS_MAX).count());
    for stream in store.streams().take(ITEMS_MAX) {
        let Ok(stream) = stream else { break };
        bounded(store.read_stream(&stream.name).take(ITEMS_MAX).count());
        store.last_event(&stream.name).ok();
    }
    store.stats().ok();
    let report = store.verify(&mut |_, _| {}).unwrap();
    (readable, report.damage.len())
}

/// Opens the folder for reading, then for writing, and uses it. Nothing takes long, and each error
/// has a reason. Gives what reading found, and what became of writing.
fn use_it(root: &Path) -> (Result<(usize, usize)>, Result<()>) {
    let begun = Instant::now();
    let reading = ReadOnlyStore::open(root).map(|store| read(&store));
    let mut writing = Ok(());
    for kind in kinds() {
        writing = options(kind).open(root).and_then(|store| {
            // Over damage it may be refused.
            let receipt = store.append("a-1", ExpectedVersion::Any, &[an_event()]);
            if receipt.is_ok() {
                assert_eq!(store.last_event("a-1").unwrap().unwrap().position(), store.position());
            }
            store.close()
        });
        if writing.is_err() {
            break;
        }
    }
    for error in [reading.as_ref().err(), writing.as_ref().err()].into_iter().flatten() {
        assert!(is_reason(error), "{error} ({:?})", error.kind());
    }
    assert!(begun.elapsed() < TIME_MAX, "{} took {:?}", root.display(), begun.elapsed());
    (reading, writing)
}

#[test]
fn no_link_leads_out_of_the_folder() {
    confined("no_link_leads_out_of_the_folder", || {
        let scene = Scene::new();
        let healthy = files::read(&RealFs, &scene.store());
        for path in scene.folders().into_iter().chain(scene.files()) {
            let away = scene.beside().join(path.file_name().unwrap());
            fs::rename(&path, &away).unwrap();
            symlink(&away, &path).unwrap();
            let before = files::read(&RealFs, &scene.beside());
            let (reading, writing) = use_it(&scene.store());
            assert!(before == files::read(&RealFs, &scene.beside()), "{}", path.display());
            if away.is_dir() {
                for error in [reading.unwrap_err(), writing.unwrap_err()] {
                    assert_eq!(*error.kind(), ErrorKind::NotAStore);
                    assert!(error.to_string().contains("link"), "{error}");
                }
            } else if path.starts_with(scene.store().join("index")) {
                // It is as good as none.
                assert!(reading.unwrap().0 >= 40);
                writing.unwrap();
            }
            fs::remove_dir_all(scene.store()).unwrap();
            files::replace(&RealFs, &scene.store(), &healthy);
            fs::remove_dir_all(scene.beside()).unwrap();
            fs::create_dir(scene.beside()).unwrap();
        }
    });
}

/// Makes something at a path.
type Make<'a> = &'a dyn Fn(&Path);

#[test]
fn what_is_no_file_keeps_nobody_waiting() {
    confined("what_is_no_file_keeps_nobody_waiting", || {
        let scene = Scene::new();
        let healthy = files::read(&RealFs, &scene.store());
        let fifo =
            |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        let specials: [(&str, Make<'_>); 8] = [
            ("fifo", &fifo),
            ("socket", &|path| drop(UnixListener::bind(path).unwrap())),
            ("folder", &|path| fs::create_dir(path).unwrap()),
            ("file", &|path| drop(File::create(path).unwrap())),
            ("endless", &|path| symlink("/dev/zero", path).unwrap()),
            ("dangling", &|path| symlink("nowhere", path).unwrap()),
            ("itself", &|path| symlink(path, path).unwrap()),
            ("parent", &|path| symlink("..", path).unwrap()),
        ];
        let folders = scene.folders();
        for path in folders.iter().cloned().chain(scene.files()) {
            for (what, make) in &specials {
                if path.is_dir() {
                    fs::remove_dir_all(&path).unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
                make(&path);
                let (reading, _) = use_it(&scene.store());
                let is_index = path.starts_with(scene.store().join("index"));
                let is_read = reading.as_ref().is_ok_and(|(events, _)| *events >= 40);
                // A link in place of a folder is refused, all else of an index is as good as none.
                let is_folder = folders.contains(&path);
                assert!(
                    !is_index || is_folder || is_read,
                    "{what} {}: {reading:?}",
                    path.display()
                );
                fs::remove_dir_all(scene.store()).unwrap();
                files::replace(&RealFs, &scene.store(), &healthy);
            }
        }
    });
}

#[test]
fn a_second_name_of_a_file_changes_nothing() {
    confined("a_second_name_of_a_file_changes_nothing", || {
        let scene = Scene::new();
        for (number, path) in scene.files().iter().enumerate() {
            fs::hard_link(path, scene.beside().join(number.to_string())).unwrap();
        }
        let before = files::read(&RealFs, &scene.beside());
        let store = ReadOnlyStore::open(scene.store()).unwrap();
        assert_eq!(read(&store), (40 * kinds().len(), 0));
        assert!(before == files::read(&RealFs, &scene.beside()));
        let (reading, writing) = use_it(&scene.store());
        assert_eq!((reading.unwrap().1, writing.unwrap()), (0, ()));
    });
}

#[test]
fn very_many_names() {
    confined("very_many_names", || {
        let scene = Scene::new();
        let log = scene.store().join("log");
        // Nobody's, those of segments that were never finished, and links in place of segments.
        for number in 0..50_000_u32 {
            fs::write(log.join(format!("{number:050}")), "").unwrap();
        }
        for number in 0..2_000_u64 {
            let name = format!("{:020}-0000000001-0000000000.seg", 1_000_000 + number);
            fs::write(log.join(format!("{name}.tmp")), "").unwrap();
            symlink("/dev/zero", log.join(name)).unwrap();
        }
        let (reading, writing) = use_it(&scene.store());
        let (events, damage) = reading.unwrap();
        assert_eq!(events, 40 * kinds().len());
        assert!(damage >= 2_000);
        assert!(matches!(writing.unwrap_err().kind(), ErrorKind::Damaged(_)));
    });
}

#[test]
fn files_that_claim_a_tebibyte() {
    confined("files_that_claim_a_tebibyte", || {
        let scene = Scene::new();
        let healthy = files::read(&RealFs, &scene.store());
        for path in scene.files() {
            File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
            let (reading, writing) = use_it(&scene.store());
            let (events, damage) = reading.unwrap();
            assert!(events >= 40);
            if path.starts_with(scene.store().join("log")) {
                assert!(damage > 0);
                assert!(matches!(writing.unwrap_err().kind(), ErrorKind::Damaged(_)));
            } else {
                assert_eq!(damage, 0);
                writing.unwrap();
            }
            fs::remove_dir_all(scene.store()).unwrap();
            files::replace(&RealFs, &scene.store(), &healthy);
        }
    });
}

#[test]
fn the_owner_alone_may_read() {
    confined("the_owner_alone_may_read", || {
        let scene = Scene::new();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&scene.store()), 0o700);
        scene.folders().iter().for_each(|path| assert_eq!(mode(path), 0o700, "{}", path.display()));
        // RocksDB makes its own as the process's mask says; nobody else enters its folder.
        let rocks = scene.store().join("index/rocksdb");
        for path in scene.files().iter().filter(|path| !path.starts_with(&rocks)) {
            assert_eq!(mode(path), 0o600, "{}", path.display());
        }
        assert!(
            fs::metadata(scene.store()).unwrap().uid() == fs::metadata("/proc/self").unwrap().uid()
        );
    });
}

/// A log made by hand: an epoch and a commit that are in order, and what is put behind them.
fn in_order() -> Segment {
    let mut segment = Segment::begin();
    segment.push(&Frame::commit("a-1", 1, 1, vec![event("T", "1"), event("T", "2")]));
    segment
}

fn third() -> Frame {
    Frame::commit("a-1", 3, 3, vec![event("T", "3")])
}

/// Everything that a log made by hand may say: its name, its segments, its `state` page if it is not
/// one that knows of nothing, its image.
struct Crafted {
    what: &'static str,
    segments: Vec<Segment>,
    room: usize,
    state: Option<Vec<u8>>,
    image: Option<Vec<u8>>,
}

fn crafted(what: &'static str, segments: Vec<Segment>) -> Crafted {
    Crafted { what, segments, room: 8 << 10, state: None, image: None }
}

/// A third commit with something else in it.
fn with(what: &'static str, change: impl FnOnce(&mut Frame)) -> Crafted {
    let mut segment = in_order();
    let mut frame = third();
    change(&mut frame);
    segment.push(&frame);
    crafted(what, vec![segment])
}

fn sealed(what: &'static str, last: (u64, u32), offsets: &[u32], claims: Claims) -> Crafted {
    let mut segment = in_order();
    segment.seal(last, offsets, &claims);
    Crafted { room: 0, ..crafted(what, vec![segment]) }
}

fn contradictions() -> Vec<Crafted> {
    let offsets = {
        let segment = in_order();
        let at = segment.frames[2] + 56 + table(&[(1, "a-1")]).len();
        [at, at + 8 + 2 + event("T", "1").len()].map(|offset| u32::try_from(offset).unwrap())
    };
    let claims = Claims::default();
    let many = "a".repeat(65_000);
    let second = |first, change: &dyn Fn(&mut Segment)| {
        let mut next = Segment::new(first, EPOCH);
        change(&mut next);
        vec![in_order(), next]
    };
    let mut all = vec![
        crafted("nothing wrong", vec![in_order()]),
        with("nothing wrong either", |_| {}),
        with("a position before", |frame| frame.position = 1),
        with("a position far away", |frame| frame.position = u64::MAX - 2),
        with("the last position", |frame| frame.position = u64::MAX),
        with("no events", |frame| frame.n = 0),
        with("more events than records", |frame| frame.n = u32::MAX),
        with("fewer events than records", |frame| frame.records.push(event("T", "4").into())),
        with("no epoch", |frame| frame.epoch = 0),
        with("a later epoch", |frame| frame.epoch = u32::MAX),
        with("itself durable", |frame| frame.synced = (3, 0)),
        with("all durable", |frame| frame.synced = (u64::MAX, u32::MAX)),
        with("a stamp long ago", |frame| frame.recorded_at = i64::MIN),
        with("a stamp never", |frame| frame.recorded_at = i64::MAX),
        with("no streams", |frame| frame.table = vec![0]),
        with("streams without end", |frame| {
            frame.table = Fields::default().varint(u64::MAX).bytes(&[1; 40]).0;
        }),
        with("one stream twice", |frame| {
            frame.table = table(&[(3, &many[..32_000]), (4, &many[..32_000])]);
            frame.n = 1;
        }),
        with("a long name", |frame| frame.table = table(&[(3, &many)])),
        with("a version that jumps", |frame| frame.table = table(&[(u64::MAX - 1, "a-1")])),
        with("a version before", |frame| frame.table = table(&[(1, "a-1")])),
        with("no version", |frame| frame.table = table(&[(0, "a-1")])),
        with("a header as long as may be", |frame| frame.table.resize(65_480, 0)),
        with("an unknown kind", |frame| frame.kind = 9),
        with("unknown flags", |frame| frame.flags = 0xff),
        with("a record that is elsewhere", |frame| frame.records[0].back = Some(1 << 40)),
        with("a record that is another", |frame| frame.records[0].index = Some(7)),
        with("a record without a body", |frame| frame.records = vec![Record::default()]),
        with("an event of lengths", |frame| {
            let body = Fields::default().bytes(&[0x7f, 0]).varint(1).varint(u64::MAX >> 1).0;
            frame.records = vec![body.into()];
        }),
        with("very many records", |frame| {
            frame.n = 60_000;
            frame.records = vec![Record::from(vec![0; 15]); 60_000];
        }),
        sealed("a footer that is right", (2, 0), &offsets, claims),
        sealed("a table that points nowhere", (2, 0), &[0, u32::MAX], claims),
        sealed("a table that points at headers", (2, 0), &[1024, 1024], claims),
        sealed("a table that points at another", (2, 0), &[offsets[1], offsets[0]], claims),
        sealed("events without end", (2, 0), &offsets, Claims { events: Some(u32::MAX), ..claims }),
        sealed("events that are not there", (400, 0), &[1100; 400], claims),
        sealed("the end of all", (u64::MAX, u32::MAX), &[], claims),
        sealed(
            "frames to the end",
            (2, 0),
            &offsets,
            Claims { frames_end: Some(u64::MAX), ..claims },
        ),
        sealed("no frames", (2, 0), &offsets, Claims { frames_end: Some(1024), ..claims }),
        crafted("a segment inside another", second((1, 1), &|_| {})),
        crafted("a segment far away", second((1 << 40, 1), &|_| {})),
        crafted("a segment at the end of all", second((u64::MAX, u32::MAX), &|_| {})),
        crafted("epochs that go back", {
            let mut segment = in_order();
            segment.push(&Frame::epoch((2, 1), (9, 9)));
            segment.push(&Frame::epoch((2, 2), (3, 3)));
            segment.push(&Frame { epoch: 3, ..third() });
            vec![segment]
        }),
        crafted("epochs up to the last", {
            let mut segment = in_order();
            segment.push(&Frame::epoch((2, 1), (u32::MAX, 9)));
            segment.push(&Frame { epoch: u32::MAX, ..third() });
            vec![segment]
        }),
        crafted("a control record that must be understood", {
            let mut segment = in_order();
            segment.push(&Frame::control((2, 1), vec![9, 9, 1]));
            vec![segment]
        }),
        crafted("frames like stairs", {
            // Each stands inside the record of the one before it.
            let mut segment = in_order();
            let marker: Vec<u8> = b"\0\0\0\0AN\x01\0\0\0\x10\0\0\0\x01\0".repeat(60_000);
            segment.push(&Frame { records: vec![marker.clone().into()], position: 9, ..third() });
            segment.bytes.extend(marker);
            vec![segment]
        }),
    ];
    for (what, position) in [("a state ahead", 3), ("a state at the end of all", u64::MAX)] {
        let place = (position, u32::MAX);
        for epoch in [EPOCH, (u32::MAX, u64::MAX)] {
            let state = Some(crafted::state(4, epoch, place, place));
            all.push(Crafted { state, ..crafted(what, vec![in_order()]) });
        }
        let image = Some(crafted::image(EPOCH, place, 0));
        all.push(Crafted { image, ..crafted("an image ahead", vec![in_order()]) });
    }
    let image = Some(crafted::image(EPOCH, (2, 0), u64::MAX));
    all.push(Crafted { image, ..crafted("an image of streams without end", vec![in_order()]) });
    all
}

fn save(crafted: &Crafted, root: &Path) {
    let last = crafted.segments.len() - 1;
    for (number, segment) in crafted.segments.iter().enumerate() {
        segment.save(root, if number == last { crafted.room } else { 0 });
    }
    let state = crafted.state.clone();
    let state = state.unwrap_or_else(|| crafted::state(2, EPOCH, (2, 0), (2, 0)));
    fs::write(root.join("state"), state).unwrap();
    if let Some(image) = &crafted.image {
        fs::create_dir_all(root.join("index/memory")).unwrap();
        fs::write(root.join("index/memory/image"), image).unwrap();
    }
}

#[test]
fn right_checksums_over_contradictions() {
    confined("right_checksums_over_contradictions", || {
        for crafted in contradictions() {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("store");
            save(&crafted, &root);
            let what = crafted.what;
            let (reading, writing) = use_it(&root);
            println!("{what}: {reading:?}, {:?}", writing.as_ref().map_err(ToString::to_string));
            if what.starts_with("nothing wrong") {
                assert_eq!((reading.unwrap().1, writing.unwrap()), (0, ()), "{what}");
            } else if what == "epochs up to the last" {
                assert_eq!(reading.unwrap(), (3, 0));
                assert_eq!(*writing.unwrap_err().kind(), ErrorKind::Unsupported);
            } else if ["an unknown kind", "unknown flags"].contains(&what)
                || what.ends_with("must be understood")
            {
                // Of another version of this software.
                assert_eq!(*reading.unwrap_err().kind(), ErrorKind::Unsupported, "{what}");
                assert_eq!(*writing.unwrap_err().kind(), ErrorKind::Unsupported, "{what}");
            } else {
                if ["a state ahead", "an image ahead"].contains(&what) {
                    assert!(matches!(writing.unwrap_err().kind(), ErrorKind::Damaged(_)), "{what}");
                }
                // What is in order is read, whatever stands beside it.
                assert!(reading.unwrap().0 >= 2, "{what}");
            }
        }
    });
}

#[test]
fn a_contradiction_at_the_end_is_never_cut() {
    confined("a_contradiction_at_the_end_is_never_cut", || {
        for crafted in [
            with("no epoch", |frame| frame.epoch = 0),
            with("more events than records", |frame| frame.n = u32::MAX),
            with("itself durable", |frame| frame.synced = (3, 0)),
            with("no streams", |frame| frame.table = vec![0]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("store");
            save(&crafted, &root);
            let before = files::read(&RealFs, &root.join("log"));
            let (reading, writing) = use_it(&root);
            let (events, damage) = reading.unwrap();
            assert!(events == 2 && damage > 0, "{}: {events}, {damage}", crafted.what);
            let error = writing.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Damaged(_)), "{error}");
            assert!(before == files::read(&RealFs, &root.join("log")), "{}", crafted.what);
        }
    });
}

#[test]
fn an_empty_segment_that_is_cut_in_its_header() {
    confined("an_empty_segment_that_is_cut_in_its_header", || {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        // One copy of the header is whole, so that nothing is lost.
        let mut next = Segment::new((2, 1), EPOCH);
        next.bytes.truncate(700);
        save(&Crafted { room: 0, ..crafted("cut", vec![in_order(), next]) }, &root);
        let (reading, writing) = use_it(&root);
        assert_eq!((reading.unwrap().0, writing.unwrap()), (2, ()));
        assert_eq!(read(&ReadOnlyStore::open(&root).unwrap()).0, 2 + kinds().len());
    });
}

/// Every way to an event takes its record for what it says to be, and that is not whole.
#[test]
fn a_record_that_ends_elsewhere_than_its_frame() {
    confined("a_record_that_ends_elsewhere_than_its_frame", || {
        for length in [0, 1, 9, 1 << 20, u32::MAX] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("store");
            let mut segment = in_order();
            let mut frame = third();
            frame.records[0].length = Some(length);
            let records = [segment.frames[2] + 56 + table(&[(1, "a-1")]).len()];
            let second = records[0] + 8 + 2 + event("T", "1").len();
            let offsets = [records[0], second, segment.bytes.len() + 56 + frame.table.len()];
            segment.push(&frame);
            let offsets = offsets.map(|offset| u32::try_from(offset).unwrap());
            segment.seal((3, 0), &offsets, &Claims::default());
            save(&Crafted { room: 0, ..crafted("a short record", vec![segment]) }, &root);
            let store = ReadOnlyStore::open(&root).unwrap();
            let view = store.head();
            let whole = |events: Events| events.filter(annals::Result::is_ok).count();
            assert_eq!(whole(view.read_all()), 2, "{length}");
            assert_eq!(whole(view.read(Read::all().from(Position::new(3)))), 0);
            assert!(view.event(Position::new(3)).is_err(), "{length}");
            assert!(view.event(Position::new(2)).is_ok(), "{length}");
        }
    });
}

#[test]
fn a_footer_of_a_file_with_a_hole() {
    confined("a_footer_of_a_file_with_a_hole", || {
        // A table of a billion events that takes no space on the disk.
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let mut segment = in_order();
        let frames = segment.bytes.len();
        segment.seal((1 << 30, 0), &[], &Claims { events: Some(1 << 30), ..Claims::default() });
        segment.save(&root, 0);
        let path = root.join("log").join(segment.name());
        let bytes = fs::read(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let hole = 5_u64 << 30;
        file.set_len(frames as u64).unwrap();
        file.set_len(hole).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[frames..], hole).unwrap();
        let (reading, writing) = use_it(&root);
        assert!(reading.unwrap().1 > 0);
        writing.unwrap_err();
        assert!(ReadOnlyStore::open(&root).unwrap().head().event(Position::new(1)).is_ok());
    });
}
