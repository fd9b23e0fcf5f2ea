//! Recovery beside a living writer: what the `state` page says is visible, and nothing behind it.
//!
//! The page is read first. Whatever it calls visible was in the files by then, so the listing that
//! follows has all of it; what lies behind is in flight, and neither looked at nor judged.

use std::io;
use std::path::Path;
use std::sync::Arc;

use annals_env::{Access, File, Fs};
use annals_types::Place;

use super::inventory::file_damage;
use super::{Inventory, Recovered, Recovery};
use crate::error::{LogError, Result};
use crate::format::frame::{FrameHeader, FrameKind};
use crate::format::segment_header::SegmentHeader;
use crate::format::state::State;
use crate::segment::{self, Footer};
use crate::state_page::{self, STATE_FILE};
use crate::walk::Walk;

/// How often the log is looked at again because it changed meanwhile, or seems damaged.
const LOOKS_MAX: u32 = 4;

/// How far a reader beside a writer may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) visible: Place,
    /// Frames of later epochs were not visible when the page was written.
    epoch: u32,
}

impl Bound {
    pub(crate) fn of(state: Option<&State>) -> Self {
        state.map_or(Self { visible: Place::START, epoch: 0 }, |state| Self {
            visible: state.visible,
            epoch: state.epoch.number,
        })
    }

    /// Whether a frame lies behind the bound.
    pub(crate) fn hides(&self, header: &FrameHeader) -> bool {
        header.last() > self.visible || header.epoch > self.epoch
    }

    /// The footer of a segment all of which is visible. One that is being written is none yet.
    pub(crate) fn footer(
        &self,
        name: &str,
        file: &dyn File,
        header: &SegmentHeader,
    ) -> Result<Footer> {
        let mut footer = segment::read_footer(name, file, header)?;
        for _ in 1..LOOKS_MAX {
            if !matches!(footer, Footer::Damaged(_)) {
                break;
            }
            footer = segment::read_footer(name, file, header)?;
        }
        Ok(match footer {
            Footer::Sealed(summary, _) if summary.last > self.visible => Footer::None,
            footer => footer,
        })
    }
}

/// Finds out what is visible of the log in `root`, whether or not somebody writes it. `None` where
/// there is no log yet. What it gives is for readers only: the log goes on behind it.
pub(crate) fn beside_writer(fs: &dyn Fs, root: &Path) -> Result<Option<Recovered>> {
    let mut looks = 0;
    loop {
        looks += 1;
        let page = state_page::read_beside_writer(fs, root)?;
        let inventory = match Inventory::take_with(fs, root, Access::Read, &page) {
            Err(error) if looks < LOOKS_MAX && has_vanished(&error) => continue,
            taken => taken?,
        };
        let Some(mut inventory) = inventory else { return Ok(None) };
        let (state, store) = (inventory.state, inventory.store);
        let lost = state.is_none() && has_events(&inventory)?;
        let bound = Bound::of(state.as_ref());
        inventory.cut_behind(bound.visible);
        if lost {
            let what = "the page that tells how far readers may look is lost; \
                        the next append, or the next opening for writing, makes it again";
            inventory.notes.push(file_damage(STATE_FILE, what));
        }
        let recovered = Recovery::new(inventory, Some(bound)).run(None)?;
        let now = State::decode(&state_page::read_beside_writer(fs, root)?, store);
        // Under a new epoch what was visible may have gone, and its place been given again.
        let moved = now.map(|now| now.epoch) != state.map(|state| state.epoch);
        if looks == LOOKS_MAX || (!moved && recovered.damage.is_empty()) {
            return Ok(Some(recovered));
        }
    }
}

fn has_vanished(error: &LogError) -> bool {
    matches!(error, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Whether anything but the first epoch's records was ever written: then the `state` page told of
/// it.
fn has_events(inventory: &Inventory) -> Result<bool> {
    let [first] = inventory.segments.as_slice() else { return Ok(!inventory.segments.is_empty()) };
    if first.header.first != Place::START.next() {
        return Ok(true);
    }
    let mut walk = Walk::new(Arc::new(first.clone().unsealed()));
    while let Some(frame) = walk.frame()? {
        if frame.header.kind == FrameKind::Commit {
            return Ok(true);
        }
        let checked = walk.check(frame, |_, _| {})?;
        walk.advance(&checked);
    }
    Ok(false)
}
