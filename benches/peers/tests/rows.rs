//! The rows give the right answers from every engine, at a small size.

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
    for peer in &replay.peers {
        replay.peer_by_type(&**peer);
        replay.peer_total(&**peer);
    }
}
