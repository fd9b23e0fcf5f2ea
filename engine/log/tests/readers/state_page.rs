//! Readers whose `state` page is lost, half written or old.

use std::path::Path;
use std::sync::Arc;

use annals_env::{FaultyFs, Fs};
use annals_types::Position;

use super::support::{BUFFERED, SYNC, World, check_from};

const STATE: &str = "store/state";

fn world() -> (FaultyFs, World) {
    let fs = FaultyFs::default();
    let (world, _) = World::stepped(Arc::new(fs.clone()), Path::new("store"));
    (fs, world)
}

#[test]
fn a_store_that_is_being_made_shows_nothing() {
    let (fs, world) = world();
    annals_log::create(&world.env, &world.root).unwrap();
    let mut live = world.read_beside().unwrap();
    assert_eq!((live.refresh().unwrap(), live.notes()), (Position::START, &[][..]));
    // Who begins to write it is followed.
    let writer = world.write(SYNC).unwrap();
    assert_eq!(live.refresh().unwrap(), Position::START);
    assert_eq!(live.reader().epoch().number, 1);
    let last = writer.append(3).unwrap();
    assert_eq!(live.refresh().unwrap(), last);
    check_from(live.reader(), Position::START);
    assert!(fs.files().contains(&STATE.into()));
}

#[test]
fn a_lost_page_shows_nothing_until_it_is_written_again() {
    let (fs, world) = world();
    let writer = world.write(SYNC).unwrap();
    let last = writer.append(3).unwrap();
    let mut before = world.read().unwrap();
    let page = fs.read_file(Path::new(STATE)).unwrap();
    for lost in [vec![0; page.len()], vec![], vec![0xa5; page.len()]] {
        fs.write_file(Path::new(STATE), &lost).unwrap();
        // Who knows more keeps it.
        assert_eq!(before.refresh().unwrap(), last);
        let mut live = world.read().unwrap();
        // It is made again by whoever writes next.
        assert_eq!((live.damage().len(), live.notes().len()), (0, 1));
        assert_eq!(live.notes()[0].segment, "state");
        assert_eq!(live.refresh().unwrap(), Position::START);
        fs.write_file(Path::new(STATE), &page).unwrap();
        assert_eq!(live.refresh().unwrap(), last);
        check_from(live.reader(), Position::START);
    }
    fs.write_file(Path::new(STATE), &vec![0; page.len()]).unwrap();
    let mut live = world.read().unwrap();
    let last = writer.append(1).unwrap();
    for live in [&mut live, &mut before] {
        assert_eq!(live.refresh().unwrap(), last);
        check_from(live.reader(), Position::START);
    }
}

#[test]
fn one_spoiled_slot_is_an_older_page() {
    let (fs, world) = world();
    let writer = world.write(BUFFERED).unwrap();
    let mut last = writer.append(1).unwrap();
    let mut before = world.read().unwrap();
    for n in 0..40 {
        let previous = last;
        last = writer.append(n % 3 + 1).unwrap();
        assert_eq!(before.refresh().unwrap(), last);
        for slot in [0, 512] {
            fs.flip_bit(Path::new(STATE), slot + n % 92, 3).unwrap();
            assert_eq!(before.refresh().unwrap(), last);
            let live = world.read().unwrap();
            assert!([previous, last].contains(&live.reader().visible()));
            assert_eq!(live.damage(), []);
            check_from(live.reader(), Position::START);
            fs.flip_bit(Path::new(STATE), slot + n % 92, 3).unwrap();
        }
    }
}

#[test]
fn an_old_page_is_true_and_no_news() {
    let (fs, world) = world();
    let writer = world.write(SYNC).unwrap();
    let mut pages = Vec::new();
    let mut last = Position::START;
    for n in 0..120 {
        last = writer.append(n % 4 + 1).unwrap();
        pages.push((last, fs.read_file(Path::new(STATE)).unwrap()));
    }
    let mut live = world.read().unwrap();
    for (then, page) in &pages {
        fs.write_file(Path::new(STATE), page).unwrap();
        assert_eq!(live.refresh().unwrap(), last);
        let mut old = world.read().unwrap();
        assert_eq!((old.reader().visible(), old.damage()), (*then, &[][..]));
        check_from(old.reader(), Position::START);
        // Across as many segments as there are.
        fs.write_file(Path::new(STATE), &pages.last().unwrap().1).unwrap();
        assert_eq!(old.refresh().unwrap(), last);
        check_from(old.reader(), Position::START);
    }
    drop(writer);
    // Of an epoch before.
    let writer = world.write(SYNC).unwrap();
    last = writer.append(1).unwrap();
    assert_eq!(live.refresh().unwrap(), last);
    fs.write_file(Path::new(STATE), &pages[5].1).unwrap();
    assert_eq!(live.refresh().unwrap(), last);
    let old = world.read().unwrap();
    assert_eq!(old.reader().visible(), pages[5].0);
    assert_eq!(old.damage(), []);
}

#[test]
fn a_store_of_a_page_alone_is_damaged() {
    let (fs, world) = world();
    world.write(SYNC).unwrap().append(2).unwrap();
    for path in fs.files() {
        if path.extension().is_some() {
            fs.remove(&path).unwrap();
        }
    }
    let live = world.read_beside().unwrap();
    assert!(!live.damage().is_empty());
    assert_eq!(live.reader().visible(), Position::START);
}
