//! The rows give the right answers from every engine, at a small size.

use annals_peers::compare::floors::FLOORS;
use annals_peers::compare::{Bench, Options};
use annals_peers::replay::{At, Replay};

#[test]
fn every_engine_answers_as_the_history_says() {
    // Each row checks its answers, and loading checks those of every account.
    let replay = Replay::new(2_000);
    for at in At::ALL {
        assert!(replay.long(&replay.points(1, at)) > 0);
    }
    replay.scan();
    replay.project_by_type();
    replay.by_type();
    replay.project_total();
    for (_, peer) in &replay.peers {
        replay.peer_by_type(&**peer);
        replay.peer_total(&**peer);
    }
}

#[test]
fn every_row_runs_on_every_engine() {
    let engines: Vec<_> = Options::all_engines().collect();
    let loader = env!("CARGO_BIN_EXE_compare").into();
    let options = Options { events: 500, rounds: 1, rows: Vec::new(), engines, loader };
    let mut rows = Vec::new();
    Bench { options, show: &mut |row| rows.push(row) }.run();
    // Each checks the answers; what an engine cannot do is said.
    for row in &rows {
        for (engine, figure) in &row.figures {
            let told =
                figure.as_ref().map_or_else(|why| !why.is_empty(), |one| one.value.median > 0.0);
            assert!(told, "{} of {engine}: {figure:?}", row.name);
        }
    }
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    for (begin, _) in FLOORS {
        assert!(names.iter().any(|name| name.starts_with(begin)), "no row is {begin}");
    }
}
