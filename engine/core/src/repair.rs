//! Making a damaged store whole again, without what is lost.

use std::path::Path;

use annals_env::{Access, Env};
use annals_log::{Inventory, Loss, RepairPlan, Repaired};
use annals_types::Position;

use crate::backend::Saved;
use crate::concerned;
use crate::error::Result;
use crate::folder::{self, Folder, not_a_store};
use crate::{Damage, TornTail, open};

/// What a repair would do, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// What was damaged.
    pub damage: Vec<Damage>,
    /// The events that are given up, in the order of positions, with the streams that are known to
    /// have lost some: by their commits' headers, or by the saved index.
    pub losses: Vec<Loss>,
    /// The position of the last event, lost ones included.
    pub head: Position,
    /// What a crash left half written at the end; the next opening for writing cuts it off.
    pub torn_tail: Option<TornTail>,
    /// Segments that have to be written anew, by their names before.
    pub segments: Vec<String>,
    /// Segments that have only lost their footer, which is made again.
    pub unsealed: Vec<String>,
    /// Files that are no part of the log, and are put aside.
    pub strays: Vec<String>,
    /// Segments that are missing as a whole, as far as it can be told: neighbours count as one.
    pub missing_segments: u64,
    /// What was done; `None` where it was only looked at.
    pub done: Option<Repaired>,
}

impl Repair {
    /// Whether there is nothing to repair.
    #[must_use]
    pub fn is_needless(&self) -> bool {
        let nothing = [&self.segments, &self.unsealed, &self.strays];
        nothing.iter().all(|names| names.is_empty()) && self.missing_segments == 0
    }

    /// How many events are given up.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        self.losses.iter().map(Loss::events).fold(0, u64::saturating_add)
    }
}

/// Finds out what [`repair`] would do with the store in `path`, and changes nothing. `progress` is
/// told the bytes done and in all.
///
/// # Errors
/// [`NotAStore`](crate::ErrorKind::NotAStore), [`Locked`](crate::ErrorKind::Locked) while somebody
/// has it open for writing, [`Unsupported`](crate::ErrorKind::Unsupported),
/// [`Damaged`](crate::ErrorKind::Damaged) where not one segment is left to begin with, and I/O errors.
pub fn plan_repair(path: impl AsRef<Path>, progress: &mut dyn FnMut(u64, u64)) -> Result<Repair> {
    repair_in(&Env::real(), path.as_ref(), false, progress)
}

/// Makes the damaged store in `path` whole again, without what is lost.
///
/// Each damaged segment is written anew, with all of it that is intact and a note in place of the
/// rest; of the old one a copy is kept in the folder `damaged` of the store, where also files are
/// put that are no part of the log. Every other event stays at its position and version, and the
/// positions of lost ones are never given again. From then on readers pass over them without an
/// error; [`Report::losses`](crate::Report::losses) tells of them. The saved indexes are deleted; the
/// next opening makes one anew.
///
/// What another copy of the store still has is better put back than given up: look first
/// ([`plan_repair`]). After a crash a repair can be done again, and does the rest.
///
/// ```
/// # let dir = std::env::temp_dir().join(format!("annals-doc-repair-{}", std::process::id()));
/// # annals::Store::open(&dir)?.close()?;
/// let found = annals::plan_repair(&dir, &mut |_, _| {})?;
/// for loss in &found.losses {
///     println!("would be gone: {loss}");
/// }
/// if !found.is_needless() {
///     annals::repair(&dir, &mut |_, _| {})?;
/// }
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok::<(), annals::Error>(())
/// ```
///
/// # Errors
/// As [`plan_repair`]; [`DiskFull`](crate::ErrorKind::DiskFull) where there is no room for the copies
/// and the new segments.
pub fn repair(path: impl AsRef<Path>, progress: &mut dyn FnMut(u64, u64)) -> Result<Repair> {
    repair_in(&Env::real(), path.as_ref(), true, progress)
}

/// The same in other surroundings than the machine's own; for tests.
///
/// # Errors
/// As [`repair`].
#[doc(hidden)]
pub fn repair_in(
    env: &Env,
    root: &Path,
    execute: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Repair> {
    if matches!(folder::look(&*env.fs, root)?, Folder::Empty) {
        return Err(not_a_store(root, "there is nothing in it"));
    }
    let _lock = if execute {
        Some(open::lock(&*env.fs, root, false)?)
    } else {
        open::check_unlocked(&*env.fs, root)?;
        None
    };
    let inventory = Inventory::take(&*env.fs, root, Access::Read)?
        .ok_or_else(|| not_a_store(root, "its log has no segment"))?;
    let saved = Saved::open_read_only(env, root, inventory.store());
    let evidence = saved.covers().map(|covers| (covers.epoch, covers.place));
    let recovered = inventory.recover(evidence)?;
    let head = recovered.head();
    let mut plan = recovered.plan_repair(progress)?;
    // It may well have more than is left of the log.
    if saved.covers().is_some_and(|covers| plan.knows(covers.epoch, covers.place)) {
        name_streams(saved, &mut plan)?;
    }
    let head = plan.losses().last().map_or(head, |loss| loss.last.max(head));
    let mut repair = Repair {
        damage: plan.damage().to_vec(),
        losses: concerned::merged(plan.losses()),
        head,
        torn_tail: plan.torn_tail().cloned(),
        segments: plan.damaged_segments().map(str::to_owned).collect(),
        unsealed: plan.unsealed().to_vec(),
        strays: plan.strays().to_vec(),
        missing_segments: plan.missing_segments() as u64,
        done: None,
    };
    if !execute {
        return Ok(repair);
    }
    if plan.is_empty() {
        if plan.was_repaired() {
            // That repair may have been interrupted at its last step.
            folder::forget_indexes(&*env.fs, root)?;
        }
        return Ok(repair);
    }
    repair.done = Some(plan.execute(env, progress)?);
    // Only now: were this interrupted, the next repair would ask them again. What they still have and
    // the log has lost does no harm.
    folder::forget_indexes(&*env.fs, root)?;
    Ok(repair)
}

/// The saved index knows streams that the log has lost.
fn name_streams(saved: Saved, plan: &mut RepairPlan) -> Result<()> {
    let index = saved.into_index();
    let mut nameless: Vec<&mut Loss> =
        plan.losses_mut().iter_mut().filter(|loss| loss.streams.is_empty()).collect();
    let ranges: Vec<_> = nameless.iter().map(|loss| (loss.first, loss.last)).collect();
    let found = concerned::streams_between(&*index.0, Position::MAX, &ranges, u64::MAX)?;
    for (loss, streams) in nameless.iter_mut().zip(found) {
        loss.streams = streams;
    }
    Ok(())
}
